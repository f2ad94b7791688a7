package kekcache

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// State is how sealing gets its keys.
type State int32

const (
	// Normal means that keys can be had.
	Normal State = iota
	// Degraded means that no new key can be had, and the current one is within its limits.
	Degraded
	// Restricted means that no key can be had; whoever wants to seal waits.
	Restricted
)

func (s State) String() string {
	switch s {
	case Normal:
		return "normal"
	case Degraded:
		return "degraded"
	case Restricted:
		return "restricted"
	}
	return "unknown"
}

// status is the State, and what it follows from.
type status struct {
	state   atomic.Int32
	mu      sync.Mutex // for changes
	waiting int        // callers that cannot seal before there is a new key
	cause   error      // of the last try to make one; nil if it went well
}

// State returns the present state.
func (c *Sealing) State() State { return State(c.status.state.Load()) }

// waiting counts those who cannot go on without a new key.
func (c *Sealing) waiting(change int) {
	s := &c.status
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting += change
	if change > 0 && s.cause != nil {
		c.setState(Restricted)
	}
}

// made notes how the last try to make a key ended. That one waits is known by the count; that the window is over is
// known by the window even when nobody wants to seal.
func (c *Sealing) made(cause error) {
	s := &c.status
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cause = cause
	switch w := c.current.Load(); {
	case cause == nil:
		c.setState(Normal)
	case s.waiting == 0 && w != nil && w.live(time.Now()):
		c.setState(Degraded)
	default:
		c.setState(Restricted)
	}
}

// setState logs each change once. The caller holds status.mu.
func (c *Sealing) setState(state State) {
	old := State(c.status.state.Swap(int32(state)))
	switch {
	case old == state:
	case state == Normal:
		c.o.Log.Info("data keys can be had again", "state", state.String())
	default:
		c.o.Log.Warn("no new data key can be had", "state", state.String(), "error", c.status.cause)
	}
}

const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// backoff waits before the next try, between half and all of a span that doubles up to lastWait.
func backoff(ctx context.Context, try int) error {
	span := lastWait
	if try < 6 {
		span = min(firstWait<<try, lastWait)
	}
	timer := time.NewTimer(span/2 + rand.N(span/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
