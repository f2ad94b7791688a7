package file

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
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

// TestLastLineGoesOn: the last line of a file of lines came without its line
// feed, and the file has grown. The line feed may follow it, and nothing else.
func TestLastLineGoesOn(t *testing.T) {
	for _, ext := range extensions {
		for _, c := range []struct{ more, want string }{
			{"", "a\nb\n"}, {"\n", "a\nb\n"}, {"\nd\n", "a\nb\nd\n"}, {"\n\nd", "a\nb\n\nd\n"},
			{"c\nd\n", ""}, {"\r\n", ""},
		} {
			in, open := temp(t, "in"+ext), opener(t)
			to := sinkOptions(temp(t, "out"), format.Lines)
			run := func(text string) error {
				content := []byte(text)
				if ext != "" {
					content = packedLines(t, ext, text)
				}
				store(t, in, content)
				from := sourceOptions(in, format.Lines)
				from.Checkpoint = open()
				to.Checkpoint = from.Checkpoint
				return errors.Join(copyFile(t, from, to), from.Checkpoint.Close())
			}
			if err := run("a\nb"); err != nil {
				t.Fatal(err)
			}
			for range 2 { // it stays refused, or has nothing more to do
				err := run("a\nb" + c.more)
				if c.want == "" && (!errors.Is(err, format.ErrMalformed) || !strings.Contains(err.Error(), "in"+ext+":2: ")) {
					t.Errorf("%q: got %v", c.more, err)
				}
				if c.want != "" && err != nil {
					t.Errorf("%q: %v", c.more, err)
				}
			}
			want := cmp.Or(c.want, "a\nb\n")
			if got := string(load(t, to.Path)); got != want {
				t.Errorf("%q: the output is %q, want %q", c.more, got, want)
			}
		}
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
