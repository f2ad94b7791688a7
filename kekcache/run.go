package kekcache

import (
	"context"
	"sync"
	"time"
)

// Run fetches DEKs ahead and keeps the time until ctx ends. Without it everything works, but whoever takes the
// last of a window waits for the next key, and each Take reads the clock. With it a window ends a little before
// its age; only a process that was stopped (a machine that slept) may seal on for the instant until Run is
// scheduled, and then no Holder more than its block of at most 1,024 messages.
func (c *Sealing) Run(ctx context.Context) {
	var ahead sync.WaitGroup
	ahead.Go(func() { c.fetchAhead(ctx) })
	c.keepTime(ctx)
	ahead.Wait()
}

// keepTime spares every Take a look at the clock.
func (c *Sealing) keepTime(ctx context.Context) {
	period := min(time.Second, c.o.Window.Age/64)
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
func (c *Sealing) tick(period time.Duration) {
	now := time.Now()
	c.now.Store(unix(now))
	w := c.current.Load()
	if w == nil {
		return
	}
	if age := w.age(now); age+2*period >= w.limits.Age {
		w.ended.Store(true)
	} else if age >= w.soft.age {
		c.ask(w)
	}
}

// live says that w may be sealed under. While Run ticks it costs no look at the clock.
func (c *Sealing) live(w *window) bool {
	if c.ticking.Load() {
		return !w.ended.Load()
	}
	return w.live(time.Now())
}

// created is the time in unix seconds, to a second.
func (c *Sealing) created() uint32 {
	if c.ticking.Load() {
		return c.now.Load()
	}
	return unix(time.Now())
}

func (c *Sealing) askIfLow(w *window) {
	if w.low() {
		c.ask(w)
	}
}

// ask wakes fetchAhead, once per window.
func (c *Sealing) ask(w *window) {
	if !w.asked.Load() && w.asked.CompareAndSwap(false, true) {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (c *Sealing) fetchAhead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		if err := c.fetch(ctx, c.current.Load()); err != nil && ctx.Err() == nil {
			c.o.Log.Error("the next data key cannot be made", "error", err)
		}
	}
}
