package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
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
		"another line early on": {long, replaceAt(long, 1000, lines("tue", 0, 1)[10:20])},
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

// TestDigestTellsNothing checks that equal texts leave different digests in
// different checkpoints.
func TestDigestTellsNothing(t *testing.T) {
	var heads, tails [2][]byte
	for i := range heads {
		from := sourceOptions(store(t, temp(t, "in"), lines("x", 0, 10)), format.NDJSON)
		to := sinkOptions(temp(t, "out"), format.NDJSON)
		ck := opener(t)()
		from.Checkpoint, to.Checkpoint = ck, ck
		err := pipeline.Run(t.Context(), pipeline.Options{
			Source: newSource(t, from), Sink: newSink(t, to), NewTransform: pipelinetest.Identity, Workers: 1, ReadAhead: 4096, Log: quiet,
		})
		if err = errors.Join(err, ck.Close()); err != nil {
			t.Fatal(err)
		}
		heads[i], tails[i] = ck.lastInput("").Digest, ck.lastOutput("").Tail
	}
	for _, digests := range [][2][]byte{heads, tails} {
		if len(digests[0]) != 32 || bytes.Equal(digests[0], digests[1]) {
			t.Errorf("%x, %x", digests[0], digests[1])
		}
	}
}

// TestMend refuses a line in the middle of a batch, as a source does that
// cannot read it and as a transform does. The line may then be changed, and so
// may everything behind it, but nothing before it.
func TestMend(t *testing.T) {
	good := lines("x", 0, 300)
	width := len(good) / 300
	at := width * 150
	bad := replaceAt(good, at, []byte(`{"valeu`))
	poison := replaceAt(good, at, []byte(`{"value":"poison`))
	refuse := pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
		if bytes.HasPrefix(m.Value, []byte("poison")) {
			return &pipeline.Reject{Reason: pipeline.ReasonTampered}
		}
		return nil
	})
	for name, first := range map[string][]byte{"unreadable": bad, "refused": poison} {
		for _, f := range formats {
			t.Run(name+" "+string(f), func(t *testing.T) {
				in, open := store(t, temp(t, "in"), first), opener(t)
				out := sinkOptions(temp(t, "out"), f)
				run := func() error {
					ck := open()
					from, to := sourceOptions(in, format.NDJSON), out
					from.Checkpoint, to.Checkpoint = ck, ck
					err := pipeline.Run(t.Context(), pipeline.Options{
						Source: newSource(t, from), Sink: newSink(t, to), NewTransform: refuse, Workers: 2, Log: quiet,
					})
					return errors.Join(err, ck.Close())
				}
				for range 2 {
					var parked *pipeline.ParkedError
					if err := run(); !errors.As(err, &parked) || parked.Parked[0].At != 150 {
						t.Fatal(err)
					}
				}
				store(t, in, replaceAt(good, width*149+12, []byte("!"))) // the line before
				if err := run(); !errors.Is(err, errOtherFile) {
					t.Fatal(err)
				}
				store(t, in, good[:at-1])
				if err := run(); !errors.Is(err, errOtherFile) {
					t.Fatal(err)
				}
				mended := slices.Concat(good[:at], []byte("{\"value\":\"mended\"}\n"), lines("y", 0, 5))
				store(t, in, mended)
				if err := run(); err != nil {
					t.Fatal(err)
				}
				want, err := read(t, sourceOptions(in, format.NDJSON))
				if err != nil {
					t.Fatal(err)
				}
				formattest.RequireEqual(t, want, readBack(t, out.Path, f))
			})
		}
	}
}
