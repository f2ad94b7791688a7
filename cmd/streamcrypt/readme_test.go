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

// TestReadme runs the sessions of README.md and of documents for users that
// need no server, each in a folder with a letter, some photos and some orders.
func TestReadme(t *testing.T) {
	const folder = "-- letter.txt --\nDear reader\n-- photos/sea.jpg --\nblue\n-- orders.ndjson --\n" +
		`{"key":"o1","value":"widget"}` + "\n" + `{"key":"o2","value":"gadget"}` + "\n" + `{"key":"o1","value":null}` + "\n"
	session := regexp.MustCompile("(?s)<!-- session -->\n```\n(.*?)```")
	failure := regexp.MustCompile(`(?m) \|\| echo (.*)$`) // of a command that is meant to fail
	dir := t.TempDir()
	for _, document := range []struct {
		name  string
		least int // sessions, so that none is lost for being marked in another way
	}{
		{"README.md", 3}, {"docs/keys.md", 5}, {"docs/operate.md", 1}, {"docs/convert.md", 3}, {"docs/cms.md", 2},
	} {
		text, err := os.ReadFile("../../" + document.name)
		if err != nil {
			t.Fatal(err)
		}
		sessions := session.FindAllStringSubmatch(string(text), -1)
		if len(sessions) < document.least {
			t.Fatalf("%d sessions in %s", len(sessions), document.name)
		}
		for i, s := range sessions {
			script := "exec sh -e session.sh\n"
			if strings.Contains(s[1], "--to file:-") {
				script += "stdout 'Dear reader'\n"
			}
			for _, failing := range failure.FindAllStringSubmatch(s[1], -1) {
				script += "stdout '^" + regexp.QuoteMeta(failing[1]) + "$'\n"
			}
			name := fmt.Sprintf("%s-%d.txtar", strings.TrimSuffix(filepath.Base(document.name), ".md"), i+1)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script+"-- session.sh --\n"+s[1]+folder), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true})
}
