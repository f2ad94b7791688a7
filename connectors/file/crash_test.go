package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// crashRun is one run from a source to a file on a disk that may fail, with a
// checkpoint on the same disk. Each message takes its time, so progress is also
// saved in the background.
func crashRun(t *testing.T, d *memDisk, f variant, partial bool, source func(*Checkpoint) pipeline.Source) error {
	ck, err := loadCheckpoint(d, "ck", Owner{From: "in", To: "out"})
	if err != nil {
		return err
	}
	o := sinkOptions("out"+f.ext, f.format)
	o.Checkpoint, o.Ordered, o.Partial = ck, true, partial
	sink := newSink(t, o)
	sink.disk = d
	slow := pipelinetest.Each(func(context.Context, *pipeline.Message) error {
		time.Sleep(9 * time.Millisecond)
		return nil
	})
	err = pipeline.Run(t.Context(), pipeline.Options{
		Source: source(ck), Sink: sink, NewTransform: slow, Workers: 2, ReadAhead: 1500, Log: quiet,
	})
	if err == nil {
		err = sink.Finish()
	}
	return errors.Join(err, ck.Close())
}

// storedMessages reads the output as a file source does.
func storedMessages(t *testing.T, d *memDisk, f variant) ([]pipeline.Message, error) {
	file := d.names["out"+f.ext]
	if file == nil {
		return nil, errors.New("no output")
	}
	return read(t, sourceOptions(store(t, temp(t, "out"+f.ext), file.now), f.format))
}

// TestCrash turns the power off at every step of a run that a checkpoint
// covers, once or twice, and then lets it end. The output must hold every
// message once.
func TestCrash(t *testing.T) {
	want := pipelinetest.Messages(formattest.Carries, 0, 40, 1000)
	for _, f := range variants() {
		if f.ext == ".gz" {
			continue // .zst and TestFolderCrash take the same steps
		}
		in := temp(t, "in.ndjson")
		if err := write(t, sinkOptions(in, format.NDJSON), want...); err != nil {
			t.Fatal(err)
		}
		fromFile := func() func(*Checkpoint) pipeline.Source {
			return func(ck *Checkpoint) pipeline.Source {
				o := sourceOptions(in, format.NDJSON)
				o.Checkpoint = ck
				return newSource(t, o)
			}
		}
		// A broker keeps what was committed; commits are lost with the process,
		// a commit is not.
		fromBroker := func() func(*Checkpoint) pipeline.Source {
			src := pipelinetest.NewSource([]string{"orders"})
			src.Put("orders", want...)
			src.MaxBatch = 7
			return func(*Checkpoint) pipeline.Source { return src }
		}
		for name, open := range map[string]func() func(*Checkpoint) pipeline.Source{"file": fromFile, "broker": fromBroker} {
			for _, partial := range []bool{false, true} {
				if f.ext != "" && !partial {
					continue // members are cut in the same way under either name
				}
				t.Run(fmt.Sprintf("%s from %s, partial %v", f, name, partial), func(t *testing.T) {
					crashAtEveryStep(t, f, partial, want, open)
				})
			}
		}
	}
}

func crashAtEveryStep(t *testing.T, f variant, partial bool, want []pipeline.Message, open func() func(*Checkpoint) pipeline.Source) {
	steps := 1
	for at := 0; at < steps; at++ {
		synctest.Test(t, func(t *testing.T) {
			d, source, r := newMemDisk(), open(), rand.New(rand.NewPCG(uint64(at), 7))
			d.named = at%2 == 0
			for _, left := range []int{at, r.IntN(at + 5)} {
				d.left = left
				if err := crashRun(t, d, f, partial, source); err == nil {
					break
				} else if !errors.Is(err, errCrash) {
					t.Fatalf("step %d: %v", at, err)
				}
				d.crash(r)
				if partial && d.names["out"+f.ext] != nil {
					_, err := storedMessages(t, d, f)
					if err != nil {
						t.Fatalf("step %d: under its name it is not complete: %v", at, err)
					}
				}
			}
			d.left = -1
			if err := crashRun(t, d, f, partial, source); err != nil {
				t.Fatalf("step %d: begun again: %v", at, err)
			}
			got, err := storedMessages(t, d, f)
			if err != nil {
				t.Fatalf("step %d: %v", at, err)
			}
			formattest.RequireEqual(t, want, got)
			steps = max(steps, min(d.taken(), 150))
		})
	}
	if steps < 20 {
		t.Fatalf("only %d steps", steps)
	}
}

// TestCrashAppend turns the power off at every step of an append without a
// checkpoint. What was there before, and every message whose Write had
// returned, must be there after the next append.
func TestCrashAppend(t *testing.T) {
	msgs := formattest.Messages(12)
	for _, f := range variants() {
		for at := range 40 {
			d, r := newMemDisk(), rand.New(rand.NewPCG(uint64(at), 9))
			durable := 0
			part := func(from, to int) error {
				o := sinkOptions("out"+f.ext, f.format)
				o.Append, o.Archive.Repair = true, from == 11 // after the power was off
				s := newSink(t, o)
				s.disk = d
				w, err := s.Open(t.Context(), nil)
				if err != nil {
					return err
				}
				for i := from; i < to; i++ {
					if err := w.Write(t.Context(), msgs[i:i+1], &pipeline.Progress{Messages: 1}); err != nil {
						return errors.Join(err, w.Close(t.Context()))
					}
					durable = i + 1
				}
				return w.Close(t.Context())
			}
			if err := part(0, 4); err != nil {
				t.Fatal(err)
			}
			d.left = at
			err := part(4, 11)
			crashed := err != nil
			d.crash(r)
			if crashed != errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			before := durable
			if err := part(11, 12); err != nil {
				t.Fatalf("%s, step %d: %v", f, at, err)
			}
			got, err := storedMessages(t, d, f)
			if err != nil {
				t.Fatalf("%s, step %d: %v", f, at, err)
			}
			if len(got) < before+1 {
				t.Fatalf("%s, step %d: %d messages, %d were durable", f, at, len(got)-1, before)
			}
			formattest.RequireEqual(t, append(copyOf(msgs[:len(got)-1]), msgs[11]), got)
		}
	}
}

// TestCrashAtomic turns the power off at every step of a file that is to appear
// as a whole.
func TestCrashAtomic(t *testing.T) {
	text := bytes.Repeat([]byte("text"), 10)
	for n := range 32 {
		at, named, overwrite := n/4, n%2 == 0, n/2%2 == 0
		d := newMemDisk()
		d.left, d.named = at, named
		make := func() error {
			a, err := beginAtomic(d, "out", overwrite)
			if err != nil {
				return err
			}
			if _, err := a.Write(text); err != nil {
				return errors.Join(err, a.Abort())
			}
			return a.Commit()
		}
		err := make()
		d.crash(rand.New(rand.NewPCG(uint64(at), 3)))
		f := d.names["out"]
		if f != nil && !bytes.Equal(f.now, text) || f == nil && err == nil {
			t.Fatalf("step %d: %v, then %+v", at, err, f)
		}
	}
}
