package file

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// lines returns n lines that are as long as any others of it, and different
// ones.
func lines(word string, from, n int) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "{\"value\":\"%s %06d\"}\n", word, from+i)
	}
	return b
}

// carry reads what a file has beyond its checkpoint and returns it.
func carry(t *testing.T, path string, ck *Checkpoint) ([]pipeline.Message, error) {
	t.Helper()
	from := sourceOptions(path, format.NDJSON)
	from.Checkpoint = ck
	sink := new(pipelinetest.MemorySink)
	err := pipeline.Run(t.Context(), pipeline.Options{
		Source: newSource(t, from), Sink: sink, NewTransform: pipelinetest.Identity, Workers: 1, ReadAhead: 4096, Log: quiet,
	})
	return sink.Stored(), errors.Join(err, ck.Close())
}

// TestOtherFile checks that a checkpoint is good for no other file under the
// name, such as the one that takes the place of a log that was moved away.
func TestOtherFile(t *testing.T) {
	long, short := lines("mon", 0, 12_000), lines("mon", 0, 20) // more than windows and tails, and less
	for name, c := range map[string]struct{ first, then []byte }{
		"longer":                {short, lines("tue", 0, 30)},
		"much longer":           {long, lines("tue", 0, 13_000)},
		"as long":               {long, lines("tue", 0, 12_000)},
		"shorter":               {short, lines("tue", 0, 10)},
		"empty":                 {short, nil},
		"another last line":     {long, bytes.Join([][]byte{long[:len(long)-27], lines("tue", 0, 2)}, nil)},
		"another line at 4 KiB": {long, replaceAt(long, len(long)-tailSize, lines("tue", 0, 1)[10:20])},
		"another first line":    {short, append(lines("tue", 0, 1), lines("mon", 1, 30)...)},
	} {
		t.Run(name, func(t *testing.T) {
			in, open := store(t, temp(t, "in"), c.first), opener(t)
			if _, err := carry(t, in, open()); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(in); err != nil {
				t.Fatal(err)
			}
			store(t, in, c.then)
			got, err := carry(t, in, open())
			if !errors.Is(err, errOtherFile) || len(got) > 0 {
				t.Errorf("%d messages, %v", len(got), err)
			}
		})
	}
}

func replaceAt(b []byte, at int, with []byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	return b
}

// TestSameFileGrows checks that a file is read on behind its checkpoint, run
// after run, however little or much was added.
func TestSameFileGrows(t *testing.T) {
	in, open := store(t, temp(t, "in"), nil), opener(t)
	var all []byte
	for i, n := range []int{1, 0, 3, 12_000, 1, 0, 500, 1, 12_000, 2} {
		added := lines("x", len(all), n)
		all = append(all, added...)
		store(t, in, all)
		got, err := carry(t, in, open())
		if err != nil || len(got) != n {
			t.Fatalf("run %d: %d messages of %d, %v", i, len(got), n, err)
		}
		var back []byte
		for i := range got {
			back = appendLine(t, back, &got[i])
		}
		if !bytes.Equal(back, added) {
			t.Fatalf("run %d: other messages", i)
		}
	}
}

// TestTailTellsNothing checks that equal texts leave different traces in
// different checkpoints.
func TestTailTellsNothing(t *testing.T) {
	var tails [2][]byte
	for i := range tails {
		in := store(t, temp(t, "in"), lines("x", 0, 10))
		ck := opener(t)()
		if _, err := carry(t, in, ck); err != nil {
			t.Fatal(err)
		}
		tails[i] = ck.lastInput().Tail
	}
	if len(tails[0]) != 32 || bytes.Equal(tails[0], tails[1]) {
		t.Errorf("%x, %x", tails[0], tails[1])
	}
}
