package kekcache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Run fetches DEKs ahead and keeps the time until ctx ends. Without it everything works, but whoever takes the
// last of a window waits for the next key, and each Take reads the clock. With it a window ends a little before
// its age; only a process that was stopped (a machine that slept) may seal on for the instant until Run is
// scheduled, and then no Quota more than its block of at most 1,024 messages.
func (c *SealKeys) Run(ctx context.Context) {
	var ahead sync.WaitGroup
	ahead.Go(func() { c.serve(ctx) })
	c.keepTime(ctx)
	ahead.Wait()
}

// tick is how often Run looks at the clock.
func (w *Limits) tick() time.Duration { return min(time.Second, w.Age/64) }

// keepTime spares every Take a look at the clock.
func (c *SealKeys) keepTime(ctx context.Context) {
	period := c.o.Limits.tick()
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	c.tick(period)
	c.ticking.Store(true)
	defer c.ticking.Store(false)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.tick(period)
		}
	}
}

// tick notes the time. It ends the current window one to two periods before its age is reached, so that a tick which
// comes late by up to a period does no harm.
func (c *SealKeys) tick(period time.Duration) {
	now := time.Now()
	c.now.Store(unix(now))
	w := c.current.Load()
	if w == nil {
		return
	}
	if age := w.age(now); age+2*period >= w.limits.Age {
		w.ended.Store(true)
	} else if age >= w.soft.age {
		c.renew(w)
	}
}

// renew asks for the next window because of w's age. One that was fetched long ago, because w seemed to be used up soon, would
// be over its own age when w is; it is given up for a new one.
func (c *SealKeys) renew(w *window) {
	c.mu.Lock()
	c.next = slices.DeleteFunc(c.next, func(n *window) bool {
		old := n.born.Sub(w.born) < w.limits.Age/8
		if old {
			c.retire(n, whyAge)
			w.asked.Store(false)
		}
		return old
	})
	c.pace.lasts = 0
	c.mu.Unlock()
	if w.asked.CompareAndSwap(false, true) {
		c.wakeRun()
	}
}

// live says that w may be sealed under. While Run ticks it costs no look at the clock.
func (c *SealKeys) live(w *window) bool {
	if c.ticking.Load() {
		return !w.ended.Load()
	}
	return w.live(time.Now())
}

// created is the time in unix seconds, to a second.
func (c *SealKeys) created() uint32 {
	if c.ticking.Load() {
		return c.now.Load()
	}
	return unix(time.Now())
}

// askIfLow asks for the next window if little is left of w.
func (c *SealKeys) askIfLow(ctx context.Context, w *window, now time.Time) {
	if w.asked.Load() {
		return
	}
	low, lasts := w.low(now, &c.o)
	if !low {
		return
	}
	c.mu.Lock()
	c.pace.lasts = lasts
	c.mu.Unlock()
	c.ask(ctx, w)
}

// serve fetches the windows that are asked for, and records what nobody waits for.
func (c *SealKeys) serve(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			_ = c.trail.flush() // else it stays owed
			return
		case <-c.trail.wake:
			_ = c.trail.flush() // an error comes again with the next key
			continue
		case <-c.wake:
		}
		err := c.fetchAhead(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
			c.o.Log.Error("the next data key cannot be made", "error", err)
		}
	}
}
