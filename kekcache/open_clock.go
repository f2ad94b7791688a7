package kekcache

import (
	"sync/atomic"
	"time"
)

// clockStep is how far a coarseClock is behind at most, beside the delay of a
// timer.
const clockStep = 50 * time.Millisecond

// coarseClock spares most looks at the time, each of which costs as much as a
// fifth of opening a small message. A look is good for clockStep; then a timer
// has the next caller look again. While nobody asks, nothing runs.
type coarseClock struct {
	start time.Time
	last  atomic.Pointer[instant] // nil: look
}

// instant is a point in time by two clocks.
type instant struct {
	// age is the time since start. The greater one of the monotonic and the
	// wall clock counts: one stands still while a machine sleeps, the other can
	// be set back.
	age  time.Duration
	unix int64 // seconds, by the wall clock
}

func (c *coarseClock) now() *instant {
	if n := c.last.Load(); n != nil {
		return n
	}
	return c.lookAgain()
}

// lookAgain returns the exact time, and keeps it for clockStep.
func (c *coarseClock) lookAgain() *instant {
	n := c.look()
	if c.last.CompareAndSwap(nil, n) {
		time.AfterFunc(clockStep, func() { c.last.Store(nil) })
	}
	return n
}

// look returns the exact time.
func (c *coarseClock) look() *instant {
	now := time.Now()
	return &instant{age: max(now.Sub(c.start), now.Round(0).Sub(c.start.Round(0))), unix: now.Unix()}
}
