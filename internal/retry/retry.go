// Package retry paces the tries of an operation that failed because something
// was slow or away.
//
// It is the one place in the project that waits between tries: a wait is drawn
// at random, so that a fleet does not come back at one moment, and it ends with
// its context. The arithmetic is that of cenkalti/backoff.
//
// The package must not know what is tried, nor decide whether another try
// helps: its caller knows the error.
package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Policy says how long the waits between tries are. Each is drawn between one
// half and the whole of a span, which is First before the second try and
// doubles with each further one until it is Longest.
type Policy struct{ First, Longest time.Duration }

// A wait of the library lies between (1-spread) and (1+spread) times its
// interval. With a third it is between half and the whole of 4/3 of it.
const spread = 1.0 / 3

func interval(span time.Duration) time.Duration { return span * 3 / 4 }

// Begin returns the waits for one operation, of which none is over yet.
func (p Policy) Begin() *Waits {
	w := &Waits{spans: backoff.ExponentialBackOff{
		InitialInterval:     interval(p.First),
		RandomizationFactor: spread,
		Multiplier:          2,
		MaxInterval:         interval(p.Longest),
	}}
	w.spans.Reset()
	return w
}

// Waits are the waits between the tries of one operation. They are not safe for
// concurrent use.
type Waits struct {
	spans backoff.ExponentialBackOff
	tries int
}

// Wait waits before the next try. It returns ctx's cause if that ends first.
func (w *Waits) Wait(ctx context.Context) error {
	w.tries++
	return Sleep(ctx, w.spans.NextBackOff())
}

// Tries is how many tries came before this one: 0 until the first Wait.
func (w *Waits) Tries() int { return w.tries }

// Reset forgets the tries so far: the operation went well.
func (w *Waits) Reset() {
	w.spans.Reset()
	w.tries = 0
}

// Sleep waits for d. It returns ctx's cause if that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
