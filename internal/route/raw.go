package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
)

// raw is a route for one payload, which is streamed in constant memory and never becomes a message.
type raw struct {
	name    string // of what is read
	in      *file.RawInput
	out     rawOutput
	copy    func(ctx context.Context) error
	memory  int64
	written atomic.Int64
	rewraps rewraps // of a route that rewraps
}

// rawOutput is where the bytes go. Only Commit makes a file of them.
type rawOutput interface {
	io.Writer
	Commit() error
}

// rawMemory is what a raw route needs beside the process: chunks and buffers of the largest size, in bytes.
const rawMemory = 48 << 20

func openRaw(ctx context.Context, p *plan, closers *closers) (*raw, error) {
	r := &raw{name: p.from.name, memory: rawMemory}
	if err := r.openCopy(ctx, p, closers); err != nil {
		return nil, err
	}
	var err error
	if r.in, err = file.OpenRaw(p.from.file.path, p.env.Stdin); err != nil {
		return nil, err
	}
	closers.add(r.in.Close)
	if (p.do == decrypt || p.do == verify) && !r.in.IsSeekable() {
		r.memory += 2 * envelope.MaxBuffered // an envelope whose recipients stand behind what cannot be read twice
	}
	if err := r.openOutput(p, closers); err != nil {
		return nil, err
	}
	return r, p.reserve(r.memory)
}

// openCopy loads the keys and says how bytes get from in to out.
func (r *raw) openCopy(ctx context.Context, p *plan, closers *closers) error {
	if p.do == rewrap {
		return r.openRewrap(ctx, p)
	}
	if p.do == encrypt {
		keys, err := p.sealing(ctx, false)
		if err != nil {
			return err
		}
		closers.add(keys.Close)
		sealer, err := envelope.NewSealer(keys, envelope.SealerOptions{Context: p.context, ChunkSize: int(p.ChunkSize)})
		r.copy = func(ctx context.Context) error { return r.seal(ctx, sealer) }
		return err
	}
	keys, err := p.opening(ctx)
	if err != nil {
		return err
	}
	o := envelope.NewOpener(keys, envelope.OpenerOptions{Context: p.context})
	r.copy = func(ctx context.Context) error {
		_, err := o.NewReader(ctx, r.in.Reader(ctx), &envelope.Binding{}).WriteTo(&counted{Writer: r.out, n: &r.written})
		return err
	}
	return nil
}

func (r *raw) seal(ctx context.Context, s *envelope.Sealer) error {
	w := s.NewWriter(ctx, &counted{Writer: r.out, n: &r.written}, &envelope.Binding{})
	if _, err := w.ReadFrom(r.in.Reader(ctx)); err != nil {
		return err
	}
	return w.Close()
}

func (r *raw) openOutput(p *plan, closers *closers) error {
	switch {
	case p.do == verify:
		r.out = unfinished{io.Discard}
	case p.to.file.path == file.Stream:
		r.out = unfinished{p.env.Stdout}
	default:
		a, err := file.NewAtomic(p.to.file.path, p.Overwrite)
		if err != nil {
			return err
		}
		closers.add(a.Abort)
		r.out = a
	}
	return nil
}

// run copies everything. Unless all of it has been sealed, or has verified, no output file appears.
func (r *raw) run(ctx context.Context) error {
	defer memlimit.Reserve(r.memory)()
	err := r.copy(ctx)
	if err == nil {
		err = r.out.Commit()
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return ErrInterrupted
	}
	return fmt.Errorf("%s: %w", r.name, err)
}

func (r *raw) snapshot() Snapshot {
	read, total := r.in.Progress()
	s := Snapshot{Bytes: read, BytesOut: r.written.Load(), Done: read, Total: total, Unit: Bytes}
	r.rewraps.report(&s)
	return s
}

// unfinished is an output that needs no Commit and cannot be taken back.
type unfinished struct{ io.Writer }

func (unfinished) Commit() error { return nil }

// counted counts what is written.
type counted struct {
	io.Writer
	n *atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}
