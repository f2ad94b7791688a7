package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoticeIsCurrent runs the go command: the list of modules has no other
// source.
func TestNoticeIsCurrent(t *testing.T) {
	t.Chdir("../..")
	modules, err := listModules()
	if err != nil {
		t.Fatal(err)
	}
	if len(modules) < 10 {
		t.Fatalf("only %d modules", len(modules))
	}
	var want bytes.Buffer
	if err := writeNotice(&want, modules); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("NOTICE is stale: run `go run ./internal/notices`")
	}
}

// TestTexts: each file is named, and a text that several have stands there
// once.
func TestTexts(t *testing.T) {
	root := t.TempDir()
	var modules []module
	for name, text := range map[string]string{"a": "MIT\n", "b": "BSD\n", "c": "MIT\n"} {
		folder := filepath.Join(root, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "LICENSE"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		modules = append(modules, module{name, "v1", folder})
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	var out bytes.Buffer
	if err := writeTexts(&out, modules); err != nil {
		t.Fatal(err)
	}
	if want := "==== a v1: LICENSE\n==== c v1: LICENSE\n\nMIT\n\n\n==== b v1: LICENSE\n\nBSD\n\n\n"; out.String() != want {
		t.Errorf("%q, want %q", &out, want)
	}
}

func TestRecogniseLicence(t *testing.T) {
	for text, want := range map[string]string{
		"Permission is hereby granted,\n free of charge, to":                                                 "MIT",
		"   Apache License\n   Version 2.0, January 2004":                                                    "Apache-2.0",
		"Redistributions in binary form must reproduce x\nNeither the name of":                               "BSD-3-Clause",
		"Redistributions in binary form must reproduce the above copyright notice, this list of conditions.": "BSD-2-Clause",
	} {
		if got, err := recogniseLicence(text); err != nil || got != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	if _, err := recogniseLicence("GNU GENERAL PUBLIC LICENSE"); err == nil {
		t.Error("an unknown licence is recognised")
	}
}
