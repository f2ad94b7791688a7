// Command changelog writes CHANGELOG.md from the fragments in changelog/: one
// folder for each release, and unreleased for what comes next.
//
//	go run ./internal/changelog
//
// A test fails while CHANGELOG.md is stale. Fragments keep two changes from
// meeting in one file; changelog/TEMPLATE.md says how to write one.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	text, err := buildChangelog("changelog")
	if err == nil {
		err = os.WriteFile("CHANGELOG.md", text, 0o644) //nolint:gosec // everybody may read it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "changelog:", err)
		os.Exit(1)
	}
}

// kinds are the kinds of a change, in the order in which readers want them.
var kinds = []string{"Security", "Fix", "Change", "Enhancement"}

// fragment is one change.
type fragment struct{ kind, title, text string }

var errForm = errors.New(`does not begin with one of Security, Fix, Change or Enhancement, a colon and a title`)

func readFragment(path string) (f fragment, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	kind, title, ok := strings.Cut(first, ": ")
	if !ok || !slices.Contains(kinds, kind) || strings.TrimSpace(title) == "" {
		return f, fmt.Errorf("%s: %w", path, errForm)
	}
	return fragment{kind, strings.TrimSpace(title), strings.TrimSpace(rest)}, nil
}

// buildChangelog puts the releases below root together, the newest first.
func buildChangelog(root string) ([]byte, error) {
	folders, err := filepath.Glob(filepath.Join(root, "*", ""))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(folders, compareReleases)
	out := bytes.NewBufferString("# Changelog\n\n" +
		"This file is made of the fragments in `changelog/`: `go run ./internal/changelog`.\n")
	for _, folder := range folders {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			continue
		}
		if err := appendRelease(out, folder); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func appendRelease(out *bytes.Buffer, folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		return err
	}
	var all []fragment
	for _, path := range paths { // sorted by name
		f, err := readFragment(path)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b fragment) int {
		return cmp.Compare(slices.Index(kinds, a.kind), slices.Index(kinds, b.kind))
	})
	name := filepath.Base(folder)
	fmt.Fprintf(out, "\n## %s\n", strings.ToUpper(name[:1])+name[1:])
	for _, f := range all {
		fmt.Fprintf(out, "\n### %s: %s\n\n%s\n", f.kind, f.title, f.text)
	}
	return nil
}

// compareReleases sorts unreleased before all, and versions from the newest.
func compareReleases(a, b string) int {
	a, b = filepath.Base(a), filepath.Base(b)
	if a == b {
		return 0
	}
	if a == "unreleased" || b == "unreleased" {
		if a == "unreleased" {
			return -1
		}
		return 1
	}
	return compareVersions(b, a)
}

// compareVersions compares versions such as 1.10.2 by their numbers.
func compareVersions(a, b string) int {
	parts, others := strings.Split(strings.TrimPrefix(a, "v"), "."), strings.Split(strings.TrimPrefix(b, "v"), ".")
	for i := range min(len(parts), len(others)) {
		if c := cmp.Or(cmp.Compare(len(parts[i]), len(others[i])), cmp.Compare(parts[i], others[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(parts), len(others))
}
