package kafka

import (
	"context"
	"errors"
	"sync"
)

// failure is the reason why a lane cannot go on. It is set once, by any
// goroutine, and ends a read that waits.
type failure struct {
	mu     sync.Mutex
	err    error
	cancel context.CancelFunc // of the read under way; nil if none is
}

var errLaneClosed = errors.New("kafka: lane used after it was let go")

// set notes why the lane cannot go on. The first reason counts.
func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return
	}
	f.err = err
	if f.cancel != nil {
		f.cancel()
	}
}

// reason returns nil while the lane can go on.
func (f *failure) reason() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// watch returns a context for one read, which ends with the failure as well.
// The caller ends it with stop. There is one read at a time.
func (f *failure) watch(ctx context.Context) (reading context.Context, stop func()) {
	reading, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancel = cancel
	if f.err != nil {
		cancel()
	}
	return reading, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.cancel = nil
		cancel()
	}
}
