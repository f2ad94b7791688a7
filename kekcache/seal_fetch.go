package kekcache

import (
	"context"
	"runtime"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
)

// windowFlight is a fetch of the next window.
type windowFlight struct {
	done    chan struct{} // closed when it has ended, or been dropped
	cancel  context.CancelFunc
	began   time.Time
	dropped string // why its window will not be used; guarded by SealKeys.mu
}

// pace is how long things took of late. It is guarded by SealKeys.mu.
type pace struct {
	made  time.Duration // making a DEK
	lasts time.Duration // using up a window; 0: long
}

// maxAhead is how many windows are fetched ahead at most.
const maxAhead = 8

// schedule is how long Run may have to wait for a processor where all are busy, before a call and after it: a few
// time slices of the Go scheduler.
const schedule = 50 * time.Millisecond

// ahead is how many windows should be there beside the current one: one, and as many as will be used up while one is made.
func (p *pace) ahead() int {
	if p.lasts <= 0 {
		return 1
	}
	takes := p.made
	if takes > quickly { // else whoever takes makes it, and not Run
		takes += schedule
	}
	return min(maxAhead, 1+int(takes/p.lasts))
}

// fetch sees to it that one window after spent is there: as the next one, or current by now. However many ask, one
// fetches; when its fetch ends without a window, as when its context does, another one takes over.
func (c *SealKeys) fetch(ctx context.Context, spent *window) error {
	return c.fetchUntil(ctx, func() bool { return len(c.next) > 0 || c.current.Load() != spent })
}

// fetchAhead sees to it that as many windows are there as the pace calls for.
func (c *SealKeys) fetchAhead(ctx context.Context) error {
	return c.fetchUntil(ctx, func() bool { return len(c.next) >= c.pace.ahead() })
}

// fetchUntil fetches window after window until enough says so, which is called under c.mu.
func (c *SealKeys) fetchUntil(ctx context.Context, enough func() bool) error {
	for {
		f, mine, err := c.board(enough)
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

// board returns the fetch that is under way, or a new one that is the caller's to lead. It returns nil if there is enough.
func (c *SealKeys) board(enough func() bool) (f *windowFlight, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, false, ErrClosed
	case enough():
		return nil, false, nil
	case c.flight != nil:
		return c.flight, false, nil
	}
	c.flight = &windowFlight{done: make(chan struct{}), cancel: func() {}, began: time.Now()}
	return c.flight, true, nil
}

// lead is the fetch for which the others wait. It is no error that it was dropped.
func (c *SealKeys) lead(ctx context.Context, f *windowFlight, generate func(context.Context) (*Key, error)) error {
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

func (c *SealKeys) land(f *windowFlight, next *window) {
	c.mu.Lock()
	why := f.dropped
	if why != "" {
		c.retire(next, why)
	} else {
		if next != nil {
			c.next = append(c.next, next)
			c.pace.made = time.Since(f.began)
		}
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
func (c *SealKeys) ask(ctx context.Context, w *window) {
	if w.asked.Load() || !w.asked.CompareAndSwap(false, true) {
		return
	}
	if !c.quick.Load() || !c.makeNext(ctx, w) {
		c.wakeRun()
		runtime.Gosched() // the others have work for a time slice, and the window may not last for one
	}
}

// wakeRun has Run fetch ahead.
func (c *SealKeys) wakeRun() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// makeNext makes the window after w in one try, if nobody else does. It says whether it is there, or will be.
func (c *SealKeys) makeNext(ctx context.Context, w *window) bool {
	f, mine, _ := c.board(func() bool { return len(c.next) > 0 || c.current.Load() != w })
	if !mine {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 100*quickly) // should it hang for once
	defer cancel()
	err := c.lead(ctx, f, func(ctx context.Context) (*Key, error) { return c.generate(ctx, c.keks()) })
	if err != nil {
		c.quick.Store(false)
	}
	return err == nil
}

// keks returns the KEKs that wrap now.
func (c *SealKeys) keks() []keys.Wrapper {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrappers
}
