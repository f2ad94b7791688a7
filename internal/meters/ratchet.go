package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// The goals that hold for files which the baseline does not know.
const (
	goalRelatives = 2  // per 1,000 words
	goalOneWord   = 40 // per cent of the functions
)

// allowed is the most that a file may have of each count: as many as it had,
// or as many as the goals allow.
func allowed(was, now figures) figures {
	return figures{
		relatives: max(was.relatives, goalRelatives*now.words/1000),
		openers:   was.openers,
		wide:      was.wide,
		long:      was.long,
		oneWord:   max(was.oneWord, (goalOneWord*now.functions+99)/100),
	}
}

// compare returns a line for each count of each file that became worse.
func compare(baseline, files map[string]figures) (worse []string) {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		now := files[path]
		most := allowed(baseline[path], now)
		for _, c := range []struct {
			name      string
			now, most int
		}{
			{"free relatives (what, whoever, whatever, whose, whom)", now.relatives, most.relatives},
			{"sentences that begin with What, Who, That or Else", now.openers, most.openers},
			{fmt.Sprintf("comment lines over %d columns", commentWidth), now.wide, most.wide},
			{fmt.Sprintf("Markdown lines over %d columns", markdownWidth), now.long, most.long},
			{"functions with a one-word name", now.oneWord, most.oneWord},
		} {
			if c.now > c.most {
				worse = append(worse, fmt.Sprintf("%s: %d %s, at most %d are allowed", path, c.now, c.name, c.most))
			}
		}
	}
	return worse
}

// lowerBaseline returns the baseline for today's files: of each count the
// smaller one, and of a file that it does not know what the goals allow.
func lowerBaseline(baseline, files map[string]figures) map[string]figures {
	lower := map[string]figures{}
	for path, now := range files {
		was, known := baseline[path]
		if !known && len(baseline) > 0 {
			continue
		}
		if !known {
			was = now
		}
		lower[path] = figures{
			relatives: min(was.relatives, now.relatives),
			openers:   min(was.openers, now.openers),
			wide:      min(was.wide, now.wide),
			long:      min(was.long, now.long),
			oneWord:   min(was.oneWord, now.oneWord),
		}
	}
	return lower
}

const header = "# path\tfree relatives\topeners\twide comments\tlong Markdown lines\tone-word functions\n"

func writeBaseline(name string, baseline map[string]figures) error {
	var out strings.Builder
	out.WriteString(header)
	for _, path := range slices.Sorted(maps.Keys(baseline)) {
		if f := baseline[path]; f != (figures{}) {
			fmt.Fprintf(&out, "%s\t%d\t%d\t%d\t%d\t%d\n", path, f.relatives, f.openers, f.wide, f.long, f.oneWord)
		}
	}
	return os.WriteFile(name, []byte(out.String()), 0o644) //nolint:gosec // everybody may read it
}

// readBaseline returns an empty baseline if there is no file.
func readBaseline(name string) (map[string]figures, error) {
	baseline := map[string]figures{}
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var path string
		var f figures
		_, err := fmt.Sscanf(line, "%s\t%d\t%d\t%d\t%d\t%d",
			&path, &f.relatives, &f.openers, &f.wide, &f.long, &f.oneWord)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, line, err)
		}
		baseline[path] = f
	}
	return baseline, nil
}

func sum(files map[string]figures) (all figures) {
	for _, f := range files {
		all.words += f.words
		all.relatives += f.relatives
		all.openers += f.openers
		all.wide += f.wide
		all.long += f.long
		all.functions += f.functions
		all.oneWord += f.oneWord
	}
	return all
}

// listWorst prints every file that misses a goal, the worst first.
func listWorst(out io.Writer, files map[string]figures) error {
	paths := slices.SortedFunc(maps.Keys(files), func(a, b string) int {
		return cmp.Or(cmp.Compare(files[b].relatives, files[a].relatives), cmp.Compare(a, b))
	})
	for _, path := range paths {
		now := files[path]
		most := allowed(figures{}, now)
		if now.relatives <= most.relatives && now.openers == 0 && now.wide == 0 && now.long == 0 &&
			now.oneWord <= most.oneWord {
			continue
		}
		_, err := fmt.Fprintf(out,
			"%s: %d free relatives, %d openers, %d wide comments, %d long lines, %d of %d names one word\n",
			path, now.relatives, now.openers, now.wide, now.long, now.oneWord, now.functions)
		if err != nil {
			return err
		}
	}
	return nil
}
