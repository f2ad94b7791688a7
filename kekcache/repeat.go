package kekcache

import (
	"context"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// patience says how long the waits between tries are, for everything in this
// package. The longest is short enough for work to go on within 5 seconds of a
// service's return, also if the last try hangs for 2 seconds, its circuit
// breaker then refuses tries for one more, and a try comes just before it stops
// refusing.
var patience = retry.Policy{First: 100 * time.Millisecond, Longest: 1800 * time.Millisecond}

// repetition is an operation that is tried again while a key service, the key
// store or the audit log is away. It is the only such loop of the package.
type repetition struct {
	mayPass func(error) bool // whether another try can help; nil: always
	waiting func(error)      // told of the first error that is waited for; may be nil
	waited  func(error)      // told of the result, unless there was no wait; may be nil
}

// run calls try until it succeeds, or fails with an error that does not pass,
// and returns that error. If ctx ends first, it returns ctx.Err().
func (r *repetition) run(ctx context.Context, try func() error) (err error) {
	waits := patience.Begin()
	defer func() {
		if waits.Tries() > 0 && r.waited != nil {
			r.waited(err)
		}
	}()
	for {
		err = try()
		switch {
		case err == nil, r.mayPass != nil && !r.mayPass(err):
			return err
		case ctx.Err() != nil: // the error says nothing about the service
			return ctx.Err()
		case waits.Tries() == 0 && r.waiting != nil:
			r.waiting(err)
		}
		if waits.Wait(ctx) != nil {
			return ctx.Err()
		}
	}
}
