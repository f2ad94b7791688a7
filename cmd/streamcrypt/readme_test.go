package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestReadme runs the sessions of README.md that need no server, each in a folder with a letter and some photos.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	sessions := regexp.MustCompile("(?s)<!-- session -->\n```\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(sessions) < 2 {
		t.Fatalf("%d sessions in README.md", len(sessions))
	}
	dir := t.TempDir()
	for i, session := range sessions {
		script := "exec sh -e session.sh\n" +
			"-- session.sh --\n" + session[1] + "-- letter.txt --\nDear reader\n-- photos/sea.jpg --\nblue\n"
		if strings.Contains(session[1], "--to file:-") {
			script = strings.Replace(script, "session.sh\n", "session.sh\nstdout 'Dear reader'\n", 1)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("session%d.txtar", i+1)), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true})
}
