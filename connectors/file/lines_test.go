package file

import (
	"bytes"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestLineNamed checks that the fault of a line says which line it is.
func TestLineNamed(t *testing.T) {
	path := store(t, temp(t, "orders.ndjson"), []byte("{\"value\":\"1\"}\n{\"value\":\"2\"}\n{\"value\":\"secret\",\"x\":0}\n"))
	got, err := read(t, sourceOptions(path, format.NDJSON))
	if len(got) != 3 || err != nil {
		t.Fatalf("%d messages, then %v", len(got), err)
	}
	if err = got[2].Fault; err == nil || err.Error() != `malformed: line 3: unknown field "x"` {
		t.Fatal(err)
	}
	var word interface{ Reason() string }
	if !errors.As(err, &word) || word.Reason() != "malformed" {
		t.Fatalf("no reason in %v", err)
	}
}

// TestThroughSeq checks that ndjson to seq and back gives the same bytes.
func TestThroughSeq(t *testing.T) {
	dir := t.TempDir()
	var lines []byte
	for _, m := range formattest.Messages(500) {
		lines = appendLine(t, lines, &m)
	}
	a := store(t, dir+"/a.ndjson", lines)
	if err := copyFile(t, sourceOptions(a, format.NDJSON), sinkOptions(dir+"/b.scx", format.Seq)); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(t, sourceOptions(dir+"/b.scx", format.Seq), sinkOptions(dir+"/c.ndjson", format.NDJSON)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(load(t, dir+"/c.ndjson"), lines) {
		t.Fatal("the bytes differ")
	}
}

// appendLine appends m as a line of ndjson.
func appendLine(t testing.TB, dst []byte, m *pipeline.Message) []byte {
	t.Helper()
	layout, err := format.ForWriting(format.Options{Format: format.NDJSON})
	if err == nil {
		dst, err = layout.NewEncoder().Append(dst, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dst
}
