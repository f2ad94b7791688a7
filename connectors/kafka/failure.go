package kafka

import (
	"context"
	"errors"
)

// failure is the reason why a lane cannot go on. It is set once, by any
// goroutine, and ends the reads and writes under way.
type failure struct {
	ctx context.Context //nolint:containedctx // is done once there is a reason, which is its cause
	end context.CancelCauseFunc
}

var errLaneClosed = errors.New("kafka: lane used after it was let go")

func newFailure() *failure {
	f := new(failure)
	f.ctx, f.end = context.WithCancelCause(context.Background())
	return f
}

// set notes why the lane cannot go on. The first reason counts.
func (f *failure) set(err error) { f.end(err) }

// reason returns nil while the lane can go on.
func (f *failure) reason() error { return context.Cause(f.ctx) }

// bind returns a context for one read or write, which ends with the failure as
// well, and has its reason for its cause then. The caller ends it with stop.
func (f *failure) bind(ctx context.Context) (bound context.Context, stop func()) {
	bound, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(f.ctx, func() { cancel(context.Cause(f.ctx)) })
	if f.ctx.Err() != nil {
		cancel(context.Cause(f.ctx)) // at once, and not in a goroutine
	}
	return bound, func() { unbind(); cancel(nil) }
}
