package kekcache

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
)

// Quota is one worker's share of the current window: a lease and a reserved block. It is not safe for
// concurrent use; each goroutine that seals has its own.
type Quota struct {
	cache  *SealKeys
	window *window
	block  block
	grant  Grant
}

// Grant is the leave to seal one message.
type Grant struct {
	Key     *Key
	Sealer  *chunker.Sealer // the holder's own lease of Key
	Created uint32          // the time, in unix seconds
	done    func()          // of StreamKey; else nil
}

// Done ends the use of a Grant that StreamKey returned; further calls do nothing, as they do for any other.
func (g *Grant) Done() {
	if g.done != nil {
		g.done()
	}
}

// Take returns leave to seal one message of size bytes in the given number of seal operations. It waits
// while no key can be had, until ctx ends. It returns ErrWindow for a message that fits no window, and the key
// service's error if that is not one to wait for. The Grant is valid until the next Take.
func (h *Quota) Take(ctx context.Context, size, seals uint64) (*Grant, error) {
	if !h.block.holds(size, seals) || !h.cache.live(h.window) {
		if err := h.refill(ctx, size, seals); err != nil {
			return nil, err
		}
	}
	h.block.messages--
	h.block.bytes -= size
	h.block.seals -= seals
	h.grant.Created = h.cache.created()
	return &h.grant, nil
}

// refill reserves a block that fits, in the current window or the next.
func (h *Quota) refill(ctx context.Context, size, seals uint64) error {
	if o := &h.cache.o; size > o.Limits.Bytes || seals > o.maxSeals() {
		return fmt.Errorf("%w: %d bytes", ErrWindow, size)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, why := h.cache.current.Load(), whyAge
		if now := time.Now(); w != nil && w.live(now) {
			if h.window == w {
				w.giveBack(h.block)
				h.block = block{}
			}
			var b block
			if b, why = w.reserve(size, seals); why == "" {
				h.cache.askIfLow(ctx, w, now)
				return h.use(w, b)
			}
		}
		if err := h.cache.advance(ctx, w, why); err != nil {
			return err
		}
	}
}

// use goes on under w with a new block.
func (h *Quota) use(w *window, b block) error {
	if h.window != w {
		sealer, err := w.key.sealing.Lease()
		if err != nil {
			return err
		}
		h.window, h.grant = w, Grant{Key: w.key, Sealer: sealer}
	}
	h.block = b
	return nil
}

func unix(t time.Time) uint32 { return uint32(max(0, min(t.Unix(), 1<<32-1))) }
