package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

func TestOptions(t *testing.T) {
	ck := new(Checkpoint)
	for _, c := range []struct {
		want string
		make func() error
	}{
		{"no path", func() error { _, err := NewSource(SourceOptions{}); return err }},
		{"raw file", func() error { _, err := NewSource(SourceOptions{Path: "a", Format: format.Raw}); return err }},
		{"not one of", func() error { _, err := NewSource(SourceOptions{Path: "a", Format: "csv"}); return err }},
		{"ciphertext only", func() error { _, err := NewSource(SourceOptions{Path: "a", Format: format.Seq}); return err }},
		{"regular file", func() error {
			_, err := NewSource(SourceOptions{Path: Stream, Format: format.NDJSON, Checkpoint: ck})
			return err
		}},
		{"limit", func() error {
			_, err := NewSource(SourceOptions{Path: "a", Format: format.NDJSON, MaxRecord: -1})
			return err
		}},
		{"no path", func() error { _, err := NewSink(SinkOptions{}); return err }},
		{"raw file", func() error { _, err := NewSink(SinkOptions{Path: "a", Format: format.Raw}); return err }},
		{"ciphertext only", func() error { _, err := NewSink(SinkOptions{Path: "a", Format: format.Seq}); return err }},
		{"exclude", func() error {
			_, err := NewSink(SinkOptions{Path: "a", Format: format.NDJSON, Append: true, Overwrite: true})
			return err
		}},
		{"regular file", func() error {
			_, err := NewSink(SinkOptions{Path: Stream, Format: format.NDJSON, Checkpoint: ck})
			return err
		}},
	} {
		if err := c.make(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	for path, want := range map[string]format.Format{"a.ndjson": format.NDJSON, "a.JSONL": format.NDJSON, "a.scx": format.Seq, "a": format.Raw, "-": format.Raw} {
		if got := format.OfPath(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestWhole checks that an output from a file appears when it is complete, or
// not at all.
func TestWhole(t *testing.T) {
	msgs := formattest.Messages(50)
	for _, f := range formats {
		in, out := temp(t, "in"), temp(t, "out")
		if err := write(t, sinkOptions(in, f), msgs...); err != nil {
			t.Fatal(err)
		}
		var seen atomic.Bool
		run := func(path string, o SinkOptions, fail bool) error {
			return pipeline.Run(t.Context(), pipeline.Options{
				Source: newSource(t, sourceOptions(path, f)), Sink: newSink(t, o), Workers: 2, ReadAhead: 2048, Log: quiet,
				NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
					if _, err := os.Stat(out); err == nil {
						seen.Store(true)
					}
					if fail && m.Origin.Offset == 40 {
						return errors.New("broken")
					}
					return nil
				}),
			})
		}
		if err := run(in, sinkOptions(out, f), true); err == nil || len(listing(t, out)) > 0 {
			t.Fatalf("%s, failed: %v, left %v", f, err, listing(t, out))
		}
		cut := load(t, in)
		if err := run(store(t, temp(t, "in"), cut[:len(cut)-1-len(cut)%2]), sinkOptions(out, f), false); err == nil || len(listing(t, out)) > 0 {
			t.Fatalf("%s, cut: %v, left %v", f, err, listing(t, out))
		}
		if err := run(in, sinkOptions(out, f), false); err != nil {
			t.Fatal(err)
		}
		if seen.Load() {
			t.Fatalf("%s: the output was there before it was complete", f)
		}
		was, is := load(t, in), load(t, out)
		if f == format.Seq { // the ends are those of two archives
			at := starts(was)
			was, is = was[:at[len(at)-2]], is[:at[len(at)-2]]
		}
		if !bytes.Equal(was, is) || len(listing(t, out)) != 1 {
			t.Fatalf("%s: another file, or not alone: %v", f, listing(t, out))
		}
		if info, _ := os.Stat(out); info.Mode().Perm() != 0o600 {
			t.Fatalf("mode %v", info.Mode())
		}
		if err := run(in, sinkOptions(out, f), false); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("%s again: %v", f, err)
		}
		over := sinkOptions(out, f)
		over.Overwrite = true
		before := load(t, out)
		if err := run(in, over, true); err == nil || !bytes.Equal(before, load(t, out)) {
			t.Fatalf("%s: a failed run replaced the file: %v", f, err)
		}
		if err := run(in, over, false); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWholeServedAgain checks that a lost lane begins at the start of the file
// when its output is gone.
func TestWholeServedAgain(t *testing.T) {
	msgs := formattest.Messages(50)
	in, out := temp(t, "in"), temp(t, "out")
	if err := write(t, sinkOptions(in, format.NDJSON), msgs...); err != nil {
		t.Fatal(err)
	}
	sink := newSink(t, sinkOptions(out, format.NDJSON))
	var lost atomic.Bool
	err := pipeline.Run(t.Context(), pipeline.Options{
		Source: newSource(t, sourceOptions(in, format.NDJSON)), Sink: sink, Workers: 2, ReadAhead: 2048, Log: quiet,
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if _, err := os.Stat(out); err == nil {
				t.Error("the output is there before it is complete")
			}
			if m.Origin.Offset == 40 && lost.CompareAndSwap(false, true) {
				return pipeline.ErrLost
			}
			return nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, msgs, readBack(t, out, format.NDJSON))
}

// TestWholeNeedsCommits checks that it is not enough to have read everything.
func TestWholeNeedsCommits(t *testing.T) {
	in, out := temp(t, "in"), temp(t, "out")
	if err := write(t, sinkOptions(in, format.NDJSON), formattest.Messages(3)...); err != nil {
		t.Fatal(err)
	}
	err := newSource(t, sourceOptions(in, format.NDJSON)).Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		w, err := newSink(t, sinkOptions(out, format.NDJSON)).Open(ctx, l)
		if err != nil {
			return err
		}
		b, err := l.Read(ctx, 1<<20)
		if err != nil {
			return err
		}
		if _, err := l.Read(ctx, 1<<20); err != io.EOF {
			return err
		}
		return errors.Join(w.Write(ctx, b.Messages, nil), w.Close(ctx))
	})
	if err != nil || len(listing(t, out)) > 0 {
		t.Fatal(err, listing(t, out))
	}
}

func TestSinkRefusesExisting(t *testing.T) {
	path := store(t, temp(t, "out"), []byte("mine"))
	if err := write(t, sinkOptions(path, format.NDJSON), formattest.Messages(1)...); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if string(load(t, path)) != "mine" {
		t.Fatal("the file was changed")
	}
	o := sinkOptions(path, format.NDJSON)
	o.Overwrite = true
	if err := write(t, o, formattest.Messages(1)...); err != nil {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, formattest.Messages(1), readBack(t, path, format.NDJSON))
}

func TestSinkOneLane(t *testing.T) {
	s := newSink(t, sinkOptions(temp(t, "out"), format.NDJSON))
	w, err := s.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "one lane at a time") {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), formattest.Messages(2)[:1], &pipeline.Progress{Messages: 1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, err = s.Open(t.Context(), nil) // served again: goes on behind what is there
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(w.Write(t.Context(), formattest.Messages(2)[1:], &pipeline.Progress{Messages: 1}), w.Close(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, formattest.Messages(2), readBack(t, s.opts.Path, format.NDJSON))
}

// TestPositionAlone checks that a position is kept even when time is up: what
// it covers is durable.
func TestPositionAlone(t *testing.T) {
	o := sinkOptions(temp(t, "out"), format.NDJSON)
	w, err := newSink(t, o).Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	if err := w.Write(over, formattest.Messages(2), nil); err != nil {
		t.Fatal(err)
	}
	cancel()
	err = errors.Join(w.Write(over, nil, &pipeline.Progress{Messages: 2}), w.Close(over))
	if err != nil {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, formattest.Messages(2), readBack(t, o.Path, format.NDJSON))
}

func TestLinesAppend(t *testing.T) {
	one := `{"value":"1"}`
	for _, c := range []struct{ before, after string }{
		{"", one + "\n"},
		{one + "\n", one + "\n" + one + "\n"},
		{one, one + "\n" + one + "\n"},
		{one + "\n" + one[:8], one + "\n" + one + "\n"},
		{one[:8], one + "\n"},
		{one + "\n" + one[:8] + "\x00\x00", one + "\n" + one + "\n"},
		{one + "\n\x00\x00", one + "\n" + one + "\n"},
	} {
		o := sinkOptions(store(t, temp(t, "out"), []byte(c.before)), format.NDJSON)
		o.Append = true
		if err := write(t, o, pipeline.Message{Value: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		if got := string(load(t, o.Path)); got != c.after {
			t.Errorf("%q became %q", c.before, got)
		}
	}
}

// TestLinesAppendToOthers checks that a last line which this package cannot
// have begun is not cut off.
func TestLinesAppendToOthers(t *testing.T) {
	for _, before := range []string{
		`{"a":1}` + "\n" + `{"precious":"data"}`, `{"value":"1","value":"2"}`, `["value"]`, `17`, "a note", " ",
	} {
		o := sinkOptions(store(t, temp(t, "out"), []byte(before)), format.NDJSON)
		o.Append = true
		if err := write(t, o, formattest.Messages(1)...); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%q: %v", before, err)
		}
		if got := string(load(t, o.Path)); got != before {
			t.Errorf("%q became %q", before, got)
		}
	}
}

func TestWriteAllocates(t *testing.T) {
	msgs := formattest.Messages(200)
	for _, f := range formats {
		s := newSink(t, sinkOptions(temp(t, "out"), f))
		s.opts.Path, s.opts.Stdout = Stream, io.Discard
		w, err := s.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		done := &pipeline.Progress{Messages: len(msgs)}
		do := func() {
			if err := w.Write(t.Context(), msgs, done); err != nil {
				t.Fatal(err)
			}
		}
		do()
		if got := testing.AllocsPerRun(20, do); got > 3 {
			t.Errorf("%s: %v allocations for %d messages", f, got, len(msgs))
		}
	}
}
