package kekcache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// State is how keys can be had.
type State int32

const (
	// Normal means that keys can be had.
	Normal State = iota
	// Degraded means that no new key can be had, and that nobody waits for one: what there is may still be used.
	Degraded
	// Restricted means that no key can be had, and that somebody waits for one.
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

// Status is the State and what belongs to it, for readiness and metrics.
type Status struct {
	State   State
	Cause   error  // why the State is not Normal
	Waiting int    // sealing: calls that wait for a key; opening: keys that are waited for, each by however many calls
	Waits   uint64 // sealing: how many calls have had to wait for a key so far, the first one included
}

// status is what a SealKeys's State follows from. In an outage it goes one way: a caller that gives up waiting does not take it
// from restricted back to degraded, only a new key ends it.
type status struct {
	state   atomic.Int32
	mu      sync.Mutex // for changes
	waiting int        // callers that cannot seal before there is a new key
	waits   uint64     // how many there were
	cause   error      // of the last try to make one; nil if it went well
}

// State returns the present state.
func (c *SealKeys) State() State { return State(c.status.state.Load()) }

// Status returns the present state and what belongs to it.
func (c *SealKeys) Status() Status {
	s := &c.status
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{State: c.State(), Cause: s.cause, Waiting: s.waiting, Waits: s.waits}
}

// waiting counts a caller who cannot go on without a new key, until done is called.
func (c *SealKeys) waiting() (done func()) {
	s := &c.status
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	s.waits++
	if s.cause != nil {
		c.setState(Restricted)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
	}
}

// made notes how a try to make a key ended, unless ctx, which was the try's, has ended since: then it is not the last one.
// That one waits is known by the count; that the window is over is known by the window even when nobody wants to seal.
func (c *SealKeys) made(ctx context.Context, cause error) {
	s := &c.status
	s.mu.Lock()
	defer s.mu.Unlock()
	if cause != nil && ctx.Err() != nil {
		return
	}
	s.cause = cause
	switch w := c.current.Load(); {
	case cause == nil:
		c.setState(Normal)
	case s.waiting == 0 && c.State() != Restricted && w != nil && w.live(time.Now()):
		c.setState(Degraded)
	default:
		c.setState(Restricted)
	}
}

// probe leaves it to Run to find out when keys can be had again, for a caller that gives up waiting for one.
func (c *SealKeys) probe() {
	if c.State() != Normal {
		c.wakeRun()
	}
}

// setState logs and audits each change once. The caller holds status.mu.
func (c *SealKeys) setState(state State) {
	old := State(c.status.state.Swap(int32(state)))
	if old == state {
		return
	}
	why := ""
	if state == Normal {
		c.o.Log.Info("data keys can be had again", "state", state.String())
	} else {
		why = c.status.cause.Error()
		c.o.Log.Warn("no new data key can be had", "state", state.String(), "error", c.status.cause)
	}
	c.trail.owe(Event{Op: OpState, State: state, Why: why})
}
