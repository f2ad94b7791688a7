package membership

import (
	"context"
	"sync"
	"time"
)

// lease is the time during which the coordinator surely counts this process
// among the members. It is a context that ends shortly before the session does,
// and another one after a later answer.
type lease struct {
	length time.Duration // the session less the margin

	mu      sync.Mutex
	until   time.Time
	timer   *time.Timer
	current context.Context //nolint:containedctx // the lease is a context; nil while there is none
	end     context.CancelCauseFunc
	begun   chan struct{} // closed when there is one again
}

// leaseMargin is how long before the end of a session the lease ends: a request
// that was sent before needs time to arrive.
const leaseMargin = time.Second

// setLength changes how long a lease lasts from now on.
func (l *lease) setLength(length time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.length = length
}

func newLease(session time.Duration) *lease {
	return &lease{length: session - min(leaseMargin, session/5), begun: make(chan struct{})}
}

// extend counts the session from a moment: when a request was sent that has
// been answered well. It uses the monotonic clock.
func (l *lease) extend(from time.Time) { l.extendUpTo(from, from.Add(l.length)) }

// extendUpTo does the same, but not beyond a limit.
func (l *lease) extendUpTo(from, limit time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := from.Add(l.length)
	if limit.Before(until) {
		until = limit
	}
	if left := time.Until(until); left <= 0 || l.current != nil && !until.After(l.until) {
		return
	}
	l.until = until
	if l.current != nil {
		l.timer.Reset(time.Until(until))
		return
	}
	l.current, l.end = context.WithCancelCause(context.Background())
	l.timer = time.AfterFunc(time.Until(until), l.lapse)
	close(l.begun)
}

// lapse is called by the timer.
func (l *lease) lapse() {
	l.mu.Lock()
	left := time.Until(l.until)
	if l.current != nil && left > 0 { // it was extended while the timer fired
		l.timer.Reset(left)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.endNow(ErrLapsed)
}

// endNow ends the lease now.
func (l *lease) endNow(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return
	}
	l.timer.Stop()
	l.end(cause)
	l.current, l.begun = nil, make(chan struct{})
}

// awaitNext returns the present lease, or waits for the next one.
func (l *lease) awaitNext(ctx context.Context) (context.Context, error) {
	for {
		l.mu.Lock()
		current, begun := l.current, l.begun
		l.mu.Unlock()
		if current != nil {
			return current, nil
		}
		select {
		case <-begun:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
