package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/local"
)

// TestMistakes runs commands that cannot be meant: testdata/mistakes.txt has
// each with its error and hint. Each ends with 2, prints nothing, opens no
// connection and leaves the folder as it was. They run in this process, since
// a process for each takes ten times as long.
func TestMistakes(t *testing.T) {
	golden := readTranscript(t, "mistakes.txt")
	inMistakesFolder(t)
	golden.check(t, 60, func(command string) string {
		before := listFolder(t)
		env, args := splitCommand(command)
		if len(env) > 0 {
			t.Errorf("%s: has variables", command)
		}
		code, stdout, stderr := runArgs(t.Context(), args...)
		if code != exitNotStarted || stdout != "" {
			t.Errorf("%s: exit code %d, standard output %q, standard error:\n%s", command, code, stdout, stderr)
		}
		if after := listFolder(t); after != before {
			t.Errorf("%s: the folder has changed from\n%s\nto\n%s", command, before, after)
		}
		return spoken(t, stderr)
	})
}

// inMistakesFolder makes a folder with some input and keys the current one.
func inMistakesFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, letter := range map[string]string{"key.jwk": "a", "other.jwk": "b"} { // keys whose ids never change
		write(t, ".", name, []byte(`{"kty":"oct","k":"`+strings.Repeat(letter, 42)+`A"}`))
	}
	x, err := local.GenerateX25519()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := local.Public(x)
	if err != nil {
		t.Fatal(err)
	}
	write(t, ".", "key.pub", pub)
	write(t, ".", "in.ndjson", []byte(`{"value":"v"}`+"\n"))
	write(t, ".", "letter.txt", []byte("Dear reader\n"))
	write(t, ".", "there.ndjson", []byte(`{"value":"old"}`+"\n"))
	write(t, ".", "fields.yaml", []byte("from: file:in.ndjson\nfrmo: file:in.ndjson\n"))
	if err := os.Mkdir("store", 0o700); err != nil {
		t.Fatal(err)
	}
}

// splitWords splits a command as a shell does, as far as these commands need
// it: double quotes keep words together.
func splitWords(command string) []string {
	var words []string
	for i, part := range strings.Split(command, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// listFolder lists the current folder with the content of its files.
func listFolder(t *testing.T) string {
	t.Helper()
	var list bytes.Buffer
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			fmt.Fprintln(&list, path)
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&list, "%s %d bytes %x\n", path, len(content), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}
