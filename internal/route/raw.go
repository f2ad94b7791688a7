package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// raw is a route for one payload, which is streamed in constant memory and
// never becomes a message.
type raw struct {
	name    string // of the source
	in      endpoint.RawSource
	out     endpoint.RawSink
	copy    func(ctx context.Context) error
	memory  int64
	written atomic.Int64
	rewraps rewraps // of a route that rewraps
}

// rawMemory is the memory of a raw route beside the process, in bytes: chunks
// and buffers of the largest size.
const rawMemory = 48 << 20

func openRaw(ctx context.Context, p *plan, closers *closers) (*raw, error) {
	r := &raw{name: p.source.Name, memory: rawMemory}
	if err := r.openCopy(ctx, p, closers); err != nil {
		return nil, err
	}
	session := p.newSession(archive.Functions{}, closers)
	var err error
	if r.in, err = p.openRawSource(ctx, session); err != nil {
		return nil, err
	}
	if (p.do == decrypt || p.do == verify) && !r.in.IsSeekable() {
		// The recipients of an envelope may stand behind bytes that cannot be
		// read twice.
		r.memory += 2 * envelope.MaxBuffered
	}
	if err := p.claim.RaiseTo(r.memory); err != nil {
		return nil, err
	}
	if r.out, err = p.openRawSink(ctx, session); err != nil {
		return nil, err
	}
	p.tellOpen(r.memory)
	return r, nil
}

func (p *plan) openRawSource(ctx context.Context, s *endpoint.Session) (endpoint.RawSource, error) {
	from, ok := p.from.(endpoint.Raw)
	if !ok {
		return nil, fmt.Errorf("%s is not one payload", p.source.Name)
	}
	in, err := from.OpenRawSource(ctx, s)
	if err != nil {
		return nil, hint.PrefixError(endpoint.From.String(), err)
	}
	return in, nil
}

func (p *plan) openRawSink(ctx context.Context, s *endpoint.Session) (endpoint.RawSink, error) {
	if p.to == nil {
		return newDiscardRaw(), nil
	}
	to, ok := p.to.(endpoint.Raw)
	if !ok {
		return nil, fmt.Errorf("%s is not one payload", p.sink.Name)
	}
	out, err := to.OpenRawSink(ctx, s)
	if err != nil {
		return nil, hint.PrefixError(endpoint.To.String(), err)
	}
	return out, nil
}

// openCopy loads the keys and says how bytes get from in to out.
func (r *raw) openCopy(ctx context.Context, p *plan, closers *closers) error {
	switch {
	case p.needsWhole():
		return r.openOther(ctx, p, closers)
	case p.do == encrypt:
		return r.openSealing(ctx, p, closers)
	case p.do == rewrap:
		return r.openRewrapping(ctx, p)
	}
	return r.openOpening(ctx, p)
}

// openOpening is for a route that decrypts or verifies.
func (r *raw) openOpening(ctx context.Context, p *plan) error {
	opener, err := p.loadOpening(ctx)
	if err != nil {
		return err
	}
	r.copy = func(ctx context.Context) error {
		c, end := r.newCopy(ctx, p)
		defer end()
		return c.open(ctx, opener)
	}
	return nil
}

// maxRawWorkers is how many workers one payload has at most: with two buffers
// each, of up to 1 MiB, they keep within rawMemory.
const maxRawWorkers = 16

// newCopy opens the input. end must be called.
func (r *raw) newCopy(ctx context.Context, p *plan) (c *rawCopy, end func()) {
	ctx, stop := context.WithCancel(ctx)
	var out io.Writer = &counted{Writer: r.out, n: &r.written}
	if p.do != encrypt {
		out = p.pace.paceWriter(ctx, out)
	}
	return &rawCopy{
		in: r.in.OpenReader(ctx), out: out, stop: stop,
		workers: min(cmp.Or(p.Workers, runtime.GOMAXPROCS(0)), maxRawWorkers),
	}, stop
}

func (r *raw) openSealing(ctx context.Context, p *plan, closers *closers) error {
	sealer, err := p.loadSealing(ctx, false)
	if err != nil {
		return err
	}
	closers.add(sealer.Close)
	r.copy = func(ctx context.Context) error {
		c, end := r.newCopy(ctx, p)
		defer end()
		if !p.passes(pipeline.ReasonAlreadySealed) {
			var err error
			if c.in, err = checkUnsealedRaw(c.in); err != nil {
				return err
			}
		}
		c.in = p.pace.paceReader(ctx, c.in)
		return c.seal(ctx, sealer)
	}
	return nil
}

func (r *raw) openRewrapping(ctx context.Context, p *plan) (err error) {
	if r.rewraps.keys, err = p.loadRewrapping(ctx); err != nil {
		return err
	}
	r.copy = func(ctx context.Context) error {
		out := p.pace.paceWriter(ctx, &counted{Writer: r.out, n: &r.written})
		counts, err := r.rewraps.keys.Copy(ctx, out, r.in.OpenReader(ctx))
		r.rewraps.stats.Rewrapped.Add(counts.Rewrapped)
		r.rewraps.stats.Already.Add(counts.Already)
		return err
	}
	return nil
}

// run copies everything. Unless all of it has been sealed, or has verified, no
// output file appears.
func (r *raw) run(ctx context.Context) error {
	defer memlimit.Reserve(r.memory)()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	err := r.copy(reading)
	if err == nil {
		err = nameSinkError(endpoint.To, r.out.Commit())
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return ErrInterrupted
	}
	if _, sink := errors.AsType[*sinkError](err); sink {
		return err
	}
	return fmt.Errorf("%s %s: %w", endpoint.From, r.name, err)
}

func (r *raw) snapshot() Snapshot {
	s := Snapshot{Lag: watch.Unknown, BytesOut: r.written.Load(), Progress: r.in.Progress()}
	s.Bytes = s.Done
	r.rewraps.report(&s)
	return s
}

// counted counts the bytes that are written.
type counted struct {
	io.Writer
	n *atomic.Int64
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, nameSinkError(endpoint.To, err)
}
