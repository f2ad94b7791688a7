package file

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// packedLines returns lines of ndjson in members of their own.
func packedLines(t *testing.T, ext string, lines ...string) []byte {
	t.Helper()
	kind, _ := members.OfPath(ext)
	var out bytes.Buffer
	w := members.NewWriter(kind, &out)
	for _, line := range lines {
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatal(err)
		}
		if err := w.EndMember(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

const (
	lineOne = `{"value":"one"}` + "\n"
	lineTwo = `{"value":"two"}` + "\n"
)

// A compressed file that is cut off gives the messages before the cut and then
// an error: it is never at its end.
func TestTruncatedMember(t *testing.T) {
	for _, ext := range extensions[1:] {
		whole := packedLines(t, ext, lineOne, lineTwo)
		for _, c := range []struct {
			name     string
			content  []byte
			messages int
			err      error
		}{
			{"whole", whole, 2, nil},
			{"cut", whole[:len(whole)-1], 1, format.ErrTruncated},
			{"of no bytes", nil, 0, format.ErrTruncated},
			{"not compressed", []byte(lineOne + lineTwo), 0, format.ErrMalformed},
			{"garbage behind it", append(bytes.Clone(whole), strings.Repeat("x", 40)...), 2, format.ErrMalformed},
		} {
			t.Run(c.name+ext, func(t *testing.T) {
				path := store(t, temp(t, "in"+ext), c.content)
				got, err := read(t, sourceOptions(path, format.NDJSON))
				if !errors.Is(err, c.err) || len(got) < c.messages || (c.err == nil) != (err == nil) {
					t.Fatalf("%d messages, %v", len(got), err)
				}
			})
		}
	}
}

// Output is written and read again, from a pipe as well, and an empty one is a
// compressed file too.
func TestPackedOutput(t *testing.T) {
	msgs := formattest.Messages(5)
	for _, f := range variants() {
		if f.ext == "" {
			continue
		}
		for _, want := range [][]pipeline.Message{nil, msgs} {
			path := temp(t, "out"+f.ext)
			if err := write(t, sinkOptions(path, f.format), want...); err != nil {
				t.Fatal(err)
			}
			formattest.RequireEqual(t, want, readBack(t, path, f.format))
			o := sourceOptions(Stream, f.format)
			o.Compression, _ = members.OfPath(path)
			o.Stdin = bytes.NewReader(load(t, path))
			got, err := read(t, o)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%s from a pipe: %d messages, %v", f, len(got), err)
			}
			if o.Stdin = bytes.NewReader(load(t, path)[:4]); true {
				if _, err := read(t, o); !errors.Is(err, format.ErrTruncated) {
					t.Fatalf("%s from a pipe, cut: %v", f, err)
				}
			}
		}
	}
}

// An append goes on behind whole members, cuts the rest of a torn write, and
// leaves everything else as it is.
func TestAppendToMembers(t *testing.T) {
	for _, ext := range extensions[1:] {
		one, both := packedLines(t, ext, lineOne), packedLines(t, ext, lineOne, lineTwo)
		open := packedLines(t, ext, strings.TrimSuffix(lineOne, "\n"))
		damaged := bytes.Clone(both)
		damaged[len(one)-3] ^= 0xff
		for _, c := range []struct {
			name    string
			content []byte
			values  string // of the result; "" if the file is refused
		}{
			{"whole", both, "one two new"},
			{"torn", both[:len(both)-2], "one new"},
			{"zeros", append(bytes.Clone(one), make([]byte, 50)...), "one new"},
			{"torn at once", one[:5], "new"},
			{"a last line without its end", open, "one new"},
			{"half a line", packedLines(t, ext, lineOne, `{"val`), ""},
			{"damaged, and more follows", damaged, ""},
			{"of another kind", append(bytes.Clone(one), packedLines(t, ext, "text")...), ""},
		} {
			t.Run(c.name+ext, func(t *testing.T) {
				path := store(t, temp(t, "out"+ext), c.content)
				o := sinkOptions(path, format.NDJSON)
				o.Append = true
				err := write(t, o, pipeline.Message{Value: []byte("new")})
				if c.values == "" {
					if !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrTruncated) {
						t.Fatalf("got %v", err)
					}
					if !bytes.Equal(load(t, path), c.content) {
						t.Fatal("a file that was refused has changed")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				var values []string
				for _, m := range readBack(t, path, format.NDJSON) {
					values = append(values, string(m.Value))
				}
				if got := strings.Join(values, " "); got != c.values {
					t.Fatalf("got %q, want %q", got, c.values)
				}
			})
		}
	}
}

// A checkpoint is of an output with one compression.
func TestCheckpointOfOtherCompression(t *testing.T) {
	open, path := opener(t), temp(t, "out.gz")
	o := sinkOptions(path, format.NDJSON)
	o.Checkpoint = open()
	if err := write(t, o, pipeline.Message{Value: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	before := load(t, path)
	o.Checkpoint, o.Compression = open(), members.None
	_, err := NewSink(o)
	if err == nil || !strings.Contains(err.Error(), "its checkpoint is of an output with compression gzip, not none") {
		t.Fatalf("got %v", err)
	}
	if !bytes.Equal(load(t, path), before) {
		t.Fatal("the output has changed")
	}
}

// Every member boundary that a checkpoint has is a whole file for others.
func TestPartialOutputIsWhole(t *testing.T) {
	open, path := opener(t), temp(t, "out.zst")
	o := sinkOptions(path, format.NDJSON)
	o.Checkpoint = open()
	w, err := newSink(t, o).Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range formattest.Messages(3) {
		if err := w.Write(t.Context(), []pipeline.Message{m}, &pipeline.Progress{Messages: 1}); err != nil {
			t.Fatal(err)
		}
		if got := readBack(t, path, format.NDJSON); len(got) != i+1 {
			t.Fatalf("%d messages after %d", len(got), i+1)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Fatal(err)
	}
}
