package kekcache

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
)

// Quota is one goroutine's share of the current window: a lease and a reserved
// block. It is not safe for concurrent use; each goroutine that seals has its
// own.
type Quota struct {
	entry  *sealEntry
	clock  *clock
	window *window
	block  block
	grant  Grant
}

// Grant is the leave to seal one message, or with StreamKey one stream.
type Grant struct {
	Key     *Key
	Sealer  *chunker.Sealer // a lease of Key that nobody else has
	Created uint32          // the time, in unix seconds; within the signature of Key, if it has one
	done    func()          // of StreamKey; otherwise nil
}

// NewSealer returns a further lease of Key, for another goroutine that seals
// chunks of the same stream. It is not for a Grant of Take: there the window
// counts seals.
func (g *Grant) NewSealer() (*chunker.Sealer, error) { return g.Key.sealing.NewSealer() }

// Done ends the use of a Grant that StreamKey returned. Further calls do
// nothing, as they do for a Grant of Take.
func (g *Grant) Done() {
	if g.done != nil {
		g.done()
	}
}

// Take returns leave to seal one message of size bytes in the given number of
// seal operations. It waits while no key can be had, until ctx ends. It returns
// ErrWindow for a message that fits no window, and the key service's error if
// that is not one to wait for. The Grant is valid until the next Take.
func (q *Quota) Take(ctx context.Context, size, seals uint64) (*Grant, error) {
	if !q.block.holds(size, seals) || !q.clock.isLive(q.window) {
		if err := q.takeBlock(ctx, size, seals); err != nil {
			return nil, err
		}
	}
	q.block.messages--
	q.block.bytes -= size
	q.block.seals -= seals
	q.grant.Created = q.grant.Key.date(q.clock.unixNow())
	return &q.grant, nil
}

// takeBlock reserves a block that fits, in the current window or the next.
func (q *Quota) takeBlock(ctx context.Context, size, seals uint64) error {
	if f := q.entry.fetcher; size > f.limits.Bytes || seals > f.seals {
		return fmt.Errorf("%w: %d bytes", ErrWindow, size)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, why := q.entry.windows.current.Load(), whyAge
		if now := time.Now(); w != nil && w.isLive(now) {
			if q.window == w {
				w.returnBlock(q.block)
				q.block = block{}
			}
			var b block
			if b, why = w.reserveBlock(size, seals); why == "" {
				q.entry.fetcher.askIfLow(ctx, w, now)
				return q.useBlock(w, b)
			}
		}
		if err := q.entry.advanceWindow(ctx, w, why); err != nil {
			return err
		}
	}
}

// useBlock goes on under w with a new block.
func (q *Quota) useBlock(w *window, b block) error {
	if q.window != w {
		sealer, err := w.key.sealing.NewSealer()
		if err != nil {
			return err
		}
		q.window, q.grant = w, Grant{Key: w.key, Sealer: sealer}
	}
	q.block = b
	return nil
}
