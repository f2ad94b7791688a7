package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChangelogIsCurrent(t *testing.T) {
	t.Chdir("../..")
	want, err := buildChangelog("changelog")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("CHANGELOG.md is stale: run `go run ./internal/changelog`")
	}
}

func TestReleasesAndKindsAreSorted(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"TEMPLATE.md":       "no fragment",
		"1.9.0/a.md":        "Fix: Nine\n\nText.\n",
		"1.10.0/a.md":       "Fix: Ten\n\nText.\n",
		"unreleased/a.md":   "Enhancement: Later\n\nText.\n",
		"unreleased/z.md":   "Security: First\n\nText.\n",
		"unreleased/not.go": "package x\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := buildChangelog(root)
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, part := range []string{"## Unreleased", "Security: First", "Enhancement: Later", "## 1.10.0", "Fix: Ten", "## 1.9.0", "Fix: Nine"} {
		next := strings.Index(string(text), part)
		if next <= at {
			t.Errorf("%q is not where it belongs in\n%s", part, text)
		}
		at = next
	}
}

func TestFragmentOfAnotherForm(t *testing.T) {
	root := t.TempDir()
	for _, text := range []string{"", "Feature: new\n", "Fix\n", "Fix: \n"} {
		path := filepath.Join(root, "a.md")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readFragment(path); err == nil {
			t.Errorf("%q is a fragment", text)
		}
	}
}
