// Package guard stands around every call of a remote key service: it limits how
// long a call takes and how many there are, and a circuit breaker refuses calls
// while the service is away. It never tries a call again; that is kekcache's
// part.
//
// The breaker opens after five calls in a row that found the service away, and
// refuses calls for a second. Then one call tries, and those that come
// meanwhile wait for its result. kekcache waits for at most 1.8 s between
// tries, so a service that is back is in use again within 5 s: one that hung
// may hold up a try for 2 s before.
//
// The package must not know the service: that says by the class of its errors
// whether it answered, and by Unknown that a key may yet become known to it.
//
//	guard.go     Guard: Do, and how a call gets its turn
//	state.go     the breaker's State, and the Observer
//	unknown.go   keys that the service does not know, or not yet
package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/streamcrypt/streamcrypt/keys"
)

// ErrOpen says that a call was not made because those before it found the
// service away.
var ErrOpen = errors.New("circuit open")

// Options say how one key service is called. Zero means the default.
type Options struct {
	Name     string        // of the KEK, for errors and the Observer; needed
	Timeout  time.Duration // of one call; default 2 seconds
	Rate     float64       // calls per second in the long run; default 50
	Burst    int           // calls at once, after a pause; default 100
	Observer Observer      // nil: none
}

const (
	tripAfter = 5           // calls away in a row
	openFor   = time.Second // before one call tries
)

func (o Options) withDefaults() (Options, error) {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	if o.Rate == 0 {
		o.Rate = 50
	}
	if o.Burst == 0 {
		o.Burst = 100
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	switch {
	case o.Name == "":
		return o, errors.New("guard: no name")
	case o.Timeout < 0:
		return o, fmt.Errorf("guard: a timeout of %s", o.Timeout)
	case o.Rate < 0 || o.Burst < 0:
		return o, fmt.Errorf("guard: a rate of %v calls a second and %d at once", o.Rate, o.Burst)
	}
	return o, nil
}

// Guard stands around the calls of one KEK. It is safe for concurrent use.
type Guard struct {
	o       Options
	tokens  *rate.Limiter
	breaker *gobreaker.CircuitBreaker[struct{}]
	trial   chan struct{} // held by the call that tries a half-open breaker
	known   register
}

// New validates o.
func New(o Options) (*Guard, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Guard{
		o:      o,
		tokens: rate.NewLimiter(rate.Limit(o.Rate), o.Burst),
		trial:  make(chan struct{}, 1),
		known:  register{keys: map[string]*standing{}},
	}
	g.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:      openFor,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		IsSuccessful: hasAnswered,
		IsExcluded:   func(err error) bool { return errors.As(err, new(*abandoned)) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			o.Observer.BreakerState(o.Name, convertState(to))
		},
	})
	return g, nil
}

// Do makes one call, which must end when its context does and return nil or a
// *keys.Error. op names it in errors, and key the key that it asks for, which
// need not be the configured one (an alias, a replica): whether a key is
// unknown is noted for each. Do waits for its turn until ctx ends. Its errors
// are *keys.Error; a call that is not made is Away.
func (g *Guard) Do(ctx context.Context, op, key string, call func(context.Context) error) error {
	release, err := g.waitForTurn(ctx)
	if err != nil {
		if errors.Is(err, ErrOpen) {
			g.o.Observer.CallRefused(g.o.Name)
		}
		return g.awayError(op, err)
	}
	defer release()
	_, err = g.breaker.Execute(func() (struct{}, error) {
		limited, cancel := context.WithTimeout(ctx, g.o.Timeout)
		defer cancel()
		err := call(limited)
		if err != nil && ctx.Err() != nil {
			err = &abandoned{err}
		}
		return struct{}{}, err
	})
	var gaveUp *abandoned
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		g.o.Observer.CallRefused(g.o.Name)
		return g.awayError(op, ErrOpen)
	case errors.As(err, &gaveUp):
		return gaveUp.err
	}
	return g.known.judge(key, err, time.Now())
}

// waitForTurn waits for the end of a trial call, if one is under way, and then
// for a token. A breaker that is open refuses before a token is spent.
func (g *Guard) waitForTurn(ctx context.Context) (release func(), err error) {
	release = func() {}
	if g.breaker.State() == gobreaker.StateHalfOpen {
		select {
		case g.trial <- struct{}{}:
			release = func() { <-g.trial }
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch g.breaker.State() {
	case gobreaker.StateOpen:
		release()
		return nil, ErrOpen
	case gobreaker.StateHalfOpen:
	case gobreaker.StateClosed: // the trial call found the service
		release()
		release = func() {}
	}
	if err := g.waitForToken(ctx); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// waitForToken keeps to the rate.
func (g *Guard) waitForToken(ctx context.Context) error {
	if g.tokens.Allow() {
		return nil
	}
	began := time.Now()
	err := g.tokens.Wait(ctx)
	g.o.Observer.CallDelayed(g.o.Name, time.Since(began))
	return err
}

func (g *Guard) awayError(op string, err error) error {
	return &keys.Error{Class: keys.Away, Key: g.o.Name, Op: op, Err: err}
}

// hasAnswered says that a call found the service, even if that refused.
func hasAnswered(err error) bool {
	var e *keys.Error
	return !errors.As(err, &e) || e.Class != keys.Away
}

// abandoned is the error of a call whose caller gave up, which says nothing
// about the service.
type abandoned struct{ err error }

func (e *abandoned) Error() string { return e.err.Error() }
func (e *abandoned) Unwrap() error { return e.err }
