package kekcache

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// State is how sealing gets its keys.
type State int32

const (
	// Normal: keys can be had.
	Normal State = iota
	// Degraded: no new key can be had, and the current one is within its limits.
	Degraded
	// Restricted: no key can be had; whoever wants to seal waits.
	Restricted
)

func (s State) String() string { return [...]string{"normal", "degraded", "restricted"}[s] }

type state struct{ atomic.Int32 }

// State returns the present state.
func (c *Sealing) State() State { return State(c.state.Load()) }

// setState logs each change once.
func (c *Sealing) setState(s State, cause error) {
	old := State(c.state.Swap(int32(s)))
	switch {
	case old == s:
	case s == Normal:
		c.o.Log.Info("data keys can be had again", "state", s.String())
	default:
		c.o.Log.Warn("no new data key can be had", "state", s.String(), "error", cause)
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
	timer := time.NewTimer(span/2 + rand.N(span/2)) //nolint:gosec // jitter, not a secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
