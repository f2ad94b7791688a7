package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// transcript is a golden file: blocks with a blank line between them, each a
// command behind "$ " with what is said of it, or a comment.
type transcript struct{ path, text string }

// readTranscript reads a golden file of testdata. The test may then go to
// another folder.
func readTranscript(t *testing.T, name string) *transcript {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &transcript{path, string(text)}
}

// check calls run for each command and compares the text that it returns with
// the transcript, which must have at least so many commands. A short test runs
// a sample of them.
func (s *transcript) check(t *testing.T, least int, run func(command string) string) {
	t.Helper()
	var got []string
	count := 0
	for block := range strings.SplitSeq(strings.TrimSuffix(s.text, "\n"), "\n\n") {
		block += "\n"
		first, _, _ := strings.Cut(block, "\n")
		if command, isCommand := strings.CutPrefix(first, "$ "); isCommand {
			count++
			if !isSampled(count - 1) {
				continue
			}
			want := block
			if block = first + "\n" + run(command); !*update && block != want {
				t.Errorf("got\n%s\nwant\n%s", block, want)
			}
		}
		got = append(got, block)
	}
	if count < least {
		t.Errorf("%d commands", count)
	}
	if *update {
		checkGolden(t, s.path, []byte(strings.Join(got, "\n")))
	}
}
