package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const plainGo = `// Package p reads records.
package p

// readRecord reads one record.
func readRecord() {}

// Close implements io.Closer.
func Close() {}
`

// roughGo breaks each rule once, and has what must not count: a drawing, a
// directive, a link, a word inside a string that is no error.
const roughGo = `// Package p knows what is read.
//
//	what ─► whoever
package p

import "errors"

//go:generate whatever

// take takes. What is left stays where it was, and this line is longer than eighty columns.
func take() error { return errors.New("whose is it") }

// See https://example.org/a/very/long/link/that/cannot/be/wrapped/because/it/is/one/single/word/of/text
var other = "whatever"
`

const roughMarkdown = "# Title\n\nWhat it is.\n\n```\nwhat whoever\n```\n"

func measureText(t *testing.T, name, text string) figures {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, measured, err := measureFile(path)
	if err != nil || !measured {
		t.Fatalf("%s: measured %v, %v", name, measured, err)
	}
	return f
}

func TestMeasure(t *testing.T) {
	long := roughMarkdown + strings.Repeat("word ", 50) + "\n| " + strings.Repeat("cell ", 50) + "|\n"
	for _, c := range []struct {
		name, text string
		want       figures
	}{
		{"plain.go", plainGo, figures{functions: 2}},
		{"rough.go", roughGo, figures{relatives: 3, openers: 1, wide: 1, functions: 1, oneWord: 1}},
		{"rough.md", long, figures{relatives: 1, openers: 1, long: 1}},
	} {
		got := measureText(t, c.name, c.text)
		if got.words == 0 {
			t.Errorf("%s: no words", c.name)
		}
		got.words = 0
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
	if _, measured, err := measureFile("main_test.go"); measured || err != nil {
		t.Errorf("a test is measured (%v)", err)
	}
}

func TestRatchet(t *testing.T) {
	was := map[string]figures{"old.go": {relatives: 3, wide: 2, oneWord: 5}}
	for name, c := range map[string]struct {
		path  string
		now   figures
		worse int
	}{
		"as it was":                 {"old.go", figures{words: 10, relatives: 3, wide: 2, functions: 6, oneWord: 5}, 0},
		"better":                    {"old.go", figures{words: 10}, 0},
		"worse in three ways":       {"old.go", figures{words: 10, relatives: 4, wide: 3, functions: 6, oneWord: 6}, 3},
		"a new file keeps the goal": {"new.go", figures{words: 1000, relatives: 2, functions: 10, oneWord: 4}, 0},
		"a new file misses it":      {"new.go", figures{words: 999, relatives: 2, functions: 10, oneWord: 5, openers: 1, long: 1, wide: 1}, 5},
	} {
		if got := compare(was, map[string]figures{c.path: c.now}); len(got) != c.worse {
			t.Errorf("%s: %q, want %d", name, got, c.worse)
		}
	}
}

func TestBaselineOnlyFalls(t *testing.T) {
	name := filepath.Join(t.TempDir(), "baseline.tsv")
	empty, err := readBaseline(name)
	if err != nil || len(empty) != 0 {
		t.Fatalf("got %v, %v", empty, err)
	}
	first := map[string]figures{"a.go": {relatives: 5, wide: 1}, "b.md": {long: 2}, "gone.go": {openers: 1}}
	if err := writeBaseline(name, lowerBaseline(empty, first)); err != nil {
		t.Fatal(err)
	}
	read, err := readBaseline(name)
	if err != nil {
		t.Fatal(err)
	}
	today := map[string]figures{"a.go": {relatives: 7}, "b.md": {long: 1}, "new.go": {relatives: 9}}
	got := lowerBaseline(read, today)
	if got["a.go"] != (figures{relatives: 5}) || got["b.md"] != (figures{long: 1}) || len(got) != 2 {
		t.Errorf("got %+v", got)
	}
}
