package main

import (
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

// TestManual: the page has every command, every flag and every topic, and man
// formats it without a warning.
func TestManual(t *testing.T) {
	code, page, stderr := runArgs(t.Context(), "__manual")
	if code != 0 {
		t.Fatal(stderr)
	}
	parser, err := newParser(&cli{}, stdio{out: io.Discard, err: io.Discard}, all.Table())
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(page, `\-`, "-")
	commands, flags := 0, 0
	for _, node := range parser.Model.Leaves(true) {
		commands++
		if !strings.Contains(plain, `.SS "`+node.Summary()) {
			t.Errorf("the page lacks the command %s", node.Summary())
		}
		for _, flag := range node.Flags {
			flags++
			if !strings.Contains(plain, "--"+flag.Name) {
				t.Errorf("the page lacks --%s of %s", flag.Name, node.Path())
			}
		}
	}
	if commands < 12 || flags < 60 {
		t.Errorf("%d commands, %d flags", commands, flags)
	}
	for _, want := range []string{"kafka://", "nats://", "awskms:", "STREAMCRYPT_READ_AHEAD"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "'") {
			t.Errorf("roff would take this line for a command: %s", line)
		}
	}
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("NOT CHECKED: whether man formats the page, since there is no man here")
	}
	cmd := exec.CommandContext(t.Context(), "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-")
	cmd.Stdin = strings.NewReader(page)
	var warnings strings.Builder
	cmd.Stderr = &warnings
	text, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Errorf("man: %v: %s", err, warnings.String())
	}
	if len(text) < len(page)/2 {
		t.Errorf("man shows %d bytes of %d", len(text), len(page))
	}
}
