package file

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// pieces returns its bytes in pieces of random length.
type pieces struct {
	b []byte
	r *rand.Rand
}

func (p *pieces) Read(dst []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, p.b[:min(len(p.b), 1+p.r.IntN(300))])
	p.b = p.b[n:]
	return n, nil
}

// TestReadPieces checks that it does not matter how an input comes in.
func TestReadPieces(t *testing.T) {
	want := formattest.Messages(200)
	for _, f := range []format.Format{format.NDJSON, format.Seq} {
		path := temp(t, "a")
		if err := write(t, sinkOptions(path, f), want...); err != nil {
			t.Fatal(err)
		}
		o := sourceOptions(Stream, f)
		o.Stdin = &pieces{b: load(t, path), r: rand.New(rand.NewPCG(1, 2))}
		got, err := read(t, o)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		formattest.RequireEqual(t, want, got)
	}
}

func TestProgress(t *testing.T) {
	path := temp(t, "in")
	if err := write(t, sinkOptions(path, format.NDJSON), formattest.Messages(20)...); err != nil {
		t.Fatal(err)
	}
	size := int64(len(load(t, path)))
	s := newSource(t, sourceOptions(path, format.NDJSON))
	if read, total := s.Progress(); read != 0 || total != -1 {
		t.Fatalf("before: %d of %d", read, total)
	}
	err := s.Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		_, err := l.Read(ctx, 1<<20)
		return err
	})
	if read, total := s.Progress(); err != nil || read != size || total != size {
		t.Fatalf("%d of %d, want %d: %v", read, total, size, err)
	}
}

// TestPipe checks that what a pipe has is returned without waiting for more,
// that a wait can be given up, and that nothing stays behind.
func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		o := sourceOptions(Stream, format.NDJSON)
		o.Stdin = r
		ctx, cancel := context.WithCancel(t.Context())
		n, early := 0, 0
		go func() {
			_, _ = w.Write([]byte("{\"value\":\"1\"}\n{\"value\":\"2\"}\n{\"val"))
			synctest.Wait()
			early = n
			cancel()
		}()
		err := newSource(t, o).Serve(ctx, func(ctx context.Context, l pipeline.Lane) error {
			for {
				b, err := l.Read(ctx, 1<<20)
				if err != nil {
					return err
				}
				n += len(b.Messages)
				b.Release()
			}
		})
		if !errors.Is(err, context.Canceled) || n != 2 || early != 2 {
			t.Fatalf("%d messages, %d before the wait was given up, %v", n, early, err)
		}
		_ = w.Close()
	})
}

// TestReadAllocates checks that a steady stream of batches costs no memory.
func TestReadAllocates(t *testing.T) {
	for _, f := range formats {
		in := temp(t, "in")
		msgs := formattest.Messages(6000)
		if err := write(t, sinkOptions(in, f), msgs...); err != nil {
			t.Fatal(err)
		}
		err := newSource(t, sourceOptions(in, f)).Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
			n := 0
			next := func() {
				b, err := l.Read(ctx, 64<<10)
				if err != nil {
					t.Fatal(err)
				}
				n = len(b.Messages)
				_ = l.Commit(ctx, &pipeline.Progress{Messages: n, Places: b.Ends})
				b.Release()
			}
			for range 5 {
				next()
			}
			if got := testing.AllocsPerRun(20, next); got > 6 || n < 50 { // of a batch, not of a message
				t.Errorf("%s: %v allocations for %d messages", f, got, n)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestProgressOfResumed: the part that an earlier run has read is no progress of
// this one.
func TestProgressOfResumed(t *testing.T) {
	in, open := store(t, temp(t, "in"), []byte(lineOne+lineTwo)), opener(t)
	from := sourceOptions(in, format.NDJSON)
	from.Checkpoint = open()
	to := sinkOptions(temp(t, "out"), format.NDJSON)
	to.Checkpoint = from.Checkpoint
	if err := errors.Join(copyFile(t, from, to), from.Checkpoint.Close()); err != nil {
		t.Fatal(err)
	}
	from.Checkpoint = open()
	if read, _ := newSource(t, from).Progress(); read != int64(len(lineOne+lineTwo)) {
		t.Errorf("begins at %d bytes", read)
	}
}
