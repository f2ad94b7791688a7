package route

import (
	"bytes"
	"os"
	"slices"
	"testing"
)

// Lines of a file may have been sorted. None is lost for that, and one that is
// there twice is still written once.
func TestLinesInAnotherOrder(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"value":"a"}`+"\n"+`{"value":"b"}`+"\n"+`{"value":"c"}`+"\n"))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:sealed.ndjson"})
	sealed := bytes.SplitAfter(readFile(t, "sealed.ndjson"), []byte("\n"))[:3]
	sorted := [][]byte{sealed[2], sealed[0], sealed[1], sealed[0]}
	writeFile(t, "sorted.ndjson", slices.Concat(sorted...))
	mustRun(t, Decrypt, Config{From: "file:sorted.ndjson", To: "file:out.ndjson"})
	same(t, readFile(t, "out.ndjson"), []byte(`{"value":"c"}`+"\n"+`{"value":"a"}`+"\n"+`{"value":"b"}`+"\n"))
}

// Every key record in a store is one that some envelope refers to.
func TestNoKeyRecordTooMany(t *testing.T) {
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	for name, n := range map[string]int{"short": 100, "long": 20_000} {
		writeFile(t, name, payload(n))
		before, err := os.ReadDir("store")
		must(t, err)
		mustRun(t, Encrypt, config("ref", Config{From: "file:" + name, To: "file:" + name + ".enc", ChunkSize: 4096}))
		after, err := os.ReadDir("store")
		must(t, err)
		if len(after) != len(before)+1 {
			t.Errorf("%s: %d key records more", name, len(after)-len(before))
		}
	}
}
