package kekcache

import (
	"context"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
)

// flight is a fetch of the next window.
type flight struct {
	done    chan struct{} // closed when it has ended, or been dropped
	cancel  context.CancelFunc
	dropped string // why its window will not be used; guarded by Sealing.mu
}

// fetch sees to it that the window after spent is there: as the next one, or current by now. However many ask, one
// fetches; when its fetch ends without a window, as when its context does, another one takes over.
func (c *Sealing) fetch(ctx context.Context, spent *window) error {
	for {
		f, mine, err := c.board(spent)
		if f == nil {
			return err
		}
		if mine {
			if err := c.lead(ctx, f, c.generateUntil); err != nil {
				return err
			}
			continue // it may have been dropped
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// board returns the fetch that is under way for the window after spent, or a new one that is the caller's to lead. It
// returns nil if there is nothing to wait for.
func (c *Sealing) board(spent *window) (f *flight, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, false, ErrClosed
	case c.next != nil || c.current.Load() != spent:
		return nil, false, nil
	case c.flight != nil:
		return c.flight, false, nil
	}
	c.flight = &flight{done: make(chan struct{}), cancel: func() {}}
	return c.flight, true, nil
}

// lead is the fetch for which the others wait. It is no error that it was dropped.
func (c *Sealing) lead(ctx context.Context, f *flight, generate func(context.Context) (*Key, error)) error {
	trying, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	f.cancel = cancel
	if f.dropped != "" {
		cancel()
	}
	c.mu.Unlock()

	var next *window
	defer func() { c.land(f, next) }() // also after a panic of a key service
	key, err := generate(trying)
	if err != nil {
		if trying.Err() != nil && ctx.Err() == nil {
			return nil
		}
		return err
	}
	next = newWindow(key, &c.o)
	return nil
}

func (c *Sealing) land(f *flight, next *window) {
	c.mu.Lock()
	why := f.dropped
	if why != "" {
		c.retire(next, why)
	} else {
		c.next = next
		close(f.done)
		c.flight = nil
	}
	c.mu.Unlock()
	if why != "" {
		_ = c.trail.flush() // after Close nobody else does
	}
}

// quickly is how long making a DEK may take for a Take to do it by itself, ahead of time: less than it would take to
// have it done by a goroutine that must first be given a processor.
const quickly = 500 * time.Microsecond

// ask sees to it that the next window is fetched, once per window.
func (c *Sealing) ask(ctx context.Context, w *window) {
	if w.asked.Load() || !w.asked.CompareAndSwap(false, true) {
		return
	}
	if !c.quick.Load() || !c.ahead(ctx, w) {
		c.wakeRun()
	}
}

// wakeRun has Run fetch the window after the current one.
func (c *Sealing) wakeRun() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// ahead makes the window after w in one try, if nobody else does. It says whether it is there, or will be.
func (c *Sealing) ahead(ctx context.Context, w *window) bool {
	f, mine, _ := c.board(w)
	if !mine {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 100*quickly) // should it hang for once
	defer cancel()
	err := c.lead(ctx, f, func(ctx context.Context) (*Key, error) { return c.generate(ctx, c.keks()) })
	if err != nil {
		c.quick.Store(false)
		return false
	}
	return true
}

// keks returns the KEKs that wrap now.
func (c *Sealing) keks() []keys.Wrapper {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrappers
}
