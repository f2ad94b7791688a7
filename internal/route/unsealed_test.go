package route

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestSealedTwice seals an output once more: a source of envelopes is refused
// before anything is written, and a single envelope among other values when it
// comes.
func TestSealedTwice(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte("{\"value\":\"0\"}\n{\"key\":\"k\",\"value\":null}\n{\"value\":\"2\"}\n"))
	must(t, os.Mkdir("store", 0o700))
	writeFile(t, "plain", payload(100_000))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson"})
	mustRun(t, Encrypt, Config{From: "file:plain", To: "file:sealed"})
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:ref.ndjson", Profile: "ref", KeyStore: "file:store"})
	for _, from := range []string{"s.ndjson", "ref.ndjson"} {
		refuses(t, Encrypt, Config{From: "file:" + from, To: "file:twice.ndjson", DeadLetter: "file:dead.ndjson"}, "already-sealed")
	}
	fails(t, Encrypt, Config{From: "file:sealed", To: "file:twice"}, "already-sealed")
	noFile(t, "twice.ndjson")
	noFile(t, "dead.ndjson")
	noFile(t, "twice")

	plain, sealed := bytes.SplitAfter(readFile(t, "in.ndjson"), []byte("\n")), bytes.SplitAfter(readFile(t, "s.ndjson"), []byte("\n"))
	writeFile(t, "mixed.ndjson", bytes.Join([][]byte{plain[0], sealed[0], sealed[1], plain[2]}, nil))
	fails(t, Encrypt, Config{From: "file:mixed.ndjson", To: "file:twice.ndjson"}, "mixed.ndjson@1: already-sealed")
	s := mustRun(t, Encrypt, Config{From: "file:mixed.ndjson", To: "file:twice.ndjson", DeadLetter: "file:dead.ndjson"})
	if s.Rejected != 2 || s.Reasons["already-sealed"] != 1 || s.Reasons["reserved-header"] != 1 {
		t.Errorf("%+v", s)
	}
	if dead := string(readFile(t, "dead.ndjson")); strings.Count(dead, `"value":null`) != 2 {
		t.Errorf("letters: %s", dead)
	}
}
