// Command meters measures how plainly the project's files are written, and
// holds a ratchet: no file may become worse than it was.
//
//	go run ./internal/meters            compare with baseline.tsv
//	go run ./internal/meters -update    lower the baseline to today's figures
//	go run ./internal/meters -list      the files with the most to mend
//
// CONTRIBUTING.md has the rules that it counts breaches of. A file that the
// baseline does not know, such as a new or a renamed one, must keep the goals.
//
// The program must not judge code: the linters do that.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const baselineFile = "internal/meters/baseline.tsv"

func main() {
	update := flag.Bool("update", false, "lower the baseline to today's figures")
	list := flag.Bool("list", false, "list the files with the most to mend")
	flag.Parse()
	if err := run(os.Stdout, *update, *list); err != nil {
		fmt.Fprintln(os.Stderr, "meters:", err)
		os.Exit(1)
	}
}

var errWorse = errors.New("some files are written less plainly than before; CONTRIBUTING.md has the rules")

func run(out io.Writer, update, list bool) error {
	files, err := measureTree(".")
	if err != nil {
		return err
	}
	baseline, err := readBaseline(baselineFile)
	if err != nil {
		return err
	}
	switch {
	case update:
		return writeBaseline(baselineFile, lowerBaseline(baseline, files))
	case list:
		return listWorst(out, files)
	}
	worse := compare(baseline, files)
	for _, w := range worse {
		if _, err := fmt.Fprintln(out, w); err != nil {
			return err
		}
	}
	total := sum(files)
	_, err = fmt.Fprintf(out, "%d files: %.1f free relatives per 1,000 words, %d %% one-word function names, "+
		"%d comment lines over %d columns, %d Markdown lines over %d\n",
		len(files), total.perThousand(), total.oneWordPercent(),
		total.wide, commentWidth, total.long, markdownWidth)
	if err != nil {
		return err
	}
	if len(worse) > 0 {
		return errWorse
	}
	return nil
}

// measureTree measures all files below root that people write.
func measureTree(root string) (map[string]figures, error) {
	files := map[string]figures{}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if skipFolder(entry.Name()) && path != root {
				return filepath.SkipDir
			}
			return nil
		}
		text, measured, err := measureFile(path)
		if measured && err == nil {
			files[filepath.ToSlash(path)] = text
		}
		return err
	})
	return files, err
}

func skipFolder(name string) bool {
	return name == ".git" || name == "testdata" || name == "vendor" || name == "node_modules"
}
