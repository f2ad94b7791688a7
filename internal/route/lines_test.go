package route

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// TestLinesOfOthers seals lines of somebody's own, finds the record keys in
// them, and gets the same bytes back.
func TestLinesOfOthers(t *testing.T) {
	testDir(t)
	lines := []byte("{\"id\":7,\"name\":\"a\"}\n{\"name\":\"b\\n\",\"id\":\"x\"} \r\n{\"id\":8}\n")
	writeFile(t, "in.log", lines)
	mustRun(t, Encrypt, Config{From: "file:in.log?format=lines&key=.id", To: "file:s.ndjson"})
	sealed := readFile(t, "s.ndjson")
	for _, key := range []string{"7", "x", "8"} {
		if !bytes.Contains(sealed, []byte(`"key":"`+key+`"`)) {
			t.Errorf("no key %s in %s", key, sealed)
		}
	}
	mustRun(t, Decrypt, Config{From: "file:s.ndjson", To: "file:out.log?format=lines"})
	same(t, readFile(t, "out.log"), lines)

	refuses(t, Encrypt, Config{From: "file:in.log?format=lines", To: "file:s.log?format=lines"}, "cannot hold envelopes")
	refuses(t, Decrypt, Config{From: "file:in.log?format=lines", To: "file:o.ndjson"}, "cannot hold envelopes")
	refuses(t, Encrypt, Config{From: "file:in.ndjson?key=.id", To: "file:s.scx"}, "parameter key")
	refuses(t, Encrypt, Config{From: "file:in.log?format=lines&key=id", To: "file:s.scx"}, ".FIELD")
	refuses(t, Encrypt, Config{From: "file:in.log?format=lines", To: "file:s.scx", DeadLetter: "file:d?format=lines"}, "cannot hold dead letters")

	err := fails(t, Encrypt, Config{From: "file:in.log?format=ndjson", To: "file:s.scx"}, "in.log@0: malformed: line 1")
	advised, ok := errors.AsType[*hint.Error](err)
	if !ok || !strings.Contains(advised.Hint, "format=lines") || !strings.Contains(advised.Hint, `{"key":`) {
		t.Errorf("hint of %v", err)
	}
}
