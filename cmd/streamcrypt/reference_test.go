package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/reference"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

var update = flag.Bool("update", false, "write golden files and docs/urls.md anew")

// checkGolden compares a file with what was made, or writes it.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: go generate ./cmd/streamcrypt, and look at what changes", name)
	}
}

// docs/urls.md says what the parsers read.
func TestURLReference(t *testing.T) {
	var got bytes.Buffer
	if err := reference.WriteMarkdown(&got, reference.NewTopics(all.Table())); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "../../docs/urls.md", got.Bytes())
}
