// Package guard is what stands around every call to a remote key service: a limit on its time, a limit on their rate, and
// a circuit breaker. It never tries a call again; that is kekcache's part.
//
// The breaker opens after five calls in a row that found the service away, and refuses calls for 1.2 s; then one call tries, and
// those that come while it does wait for how it ends. kekcache waits for 1.25 to 2.5 s between tries. So who met a service that
// hangs is not refused at the next try, and a service that is back is in use again within 5 s: 2 s for the last call that hangs,
// and a wait.
//
// The package must not know what is called: a service says by the class of its errors whether it answered, and by Unknown
// what may yet become known to it.
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

// ErrOpen says that a call was not made since those before it found the service away.
var ErrOpen = errors.New("circuit open")

// Options say how one key service is called. Zero means the default.
type Options struct {
	Name    string        // of the KEK, for errors; needed
	Timeout time.Duration // of one call; default 2 seconds
	Rate    float64       // calls per second in the long run; default 50
	Burst   int           // calls at once, after a pause; default 100
}

const (
	tripAfter = 5                       // calls away in a row
	openFor   = 1200 * time.Millisecond // before one call tries; less than kekcache waits at least
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
		IsSuccessful: answered,
		IsExcluded:   func(err error) bool { return errors.As(err, new(*abandoned)) },
	})
	return g, nil
}

// Do makes one call, which must end when its context does and return nil or a *keys.Error. op names it in errors, and key the
// key that it asks for, which need not be the configured one (an alias, a replica): what is unknown is noted for each key.
// Do waits for its turn until ctx ends. Its errors are *keys.Error; a call that is not made is Away.
func (g *Guard) Do(ctx context.Context, op, key string, call func(context.Context) error) error {
	release, err := g.admit(ctx)
	if err != nil {
		return g.away(op, err)
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
		return g.away(op, ErrOpen)
	case errors.As(err, &gaveUp):
		return gaveUp.err
	}
	return g.known.judge(key, err, time.Now())
}

// admit waits for a call's turn: for the one that tries a half-open breaker, then for a token. A breaker that is open refuses
// before a token is spent.
func (g *Guard) admit(ctx context.Context) (release func(), err error) {
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
	case gobreaker.StateClosed: // the call that was waited for found the service
		release()
		release = func() {}
	}
	if err := g.tokens.Wait(ctx); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func (g *Guard) away(op string, err error) error {
	return &keys.Error{Class: keys.Away, Key: g.o.Name, Op: op, Err: err}
}

// answered says that a call found the service, whatever it said.
func answered(err error) bool {
	var e *keys.Error
	return !errors.As(err, &e) || e.Class != keys.Away
}

// abandoned is the error of a call whose caller gave up, which says nothing about the service.
type abandoned struct{ err error }

func (e *abandoned) Error() string { return e.err.Error() }
func (e *abandoned) Unwrap() error { return e.err }

// State is whether calls are made.
type State int

const (
	// Closed means that calls are made.
	Closed State = iota
	// HalfOpen means that one call tries whether the service is back.
	HalfOpen
	// Open means that calls are refused.
	Open
)

func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return "unknown"
}

// State returns whether calls are made at present.
func (g *Guard) State() State {
	switch g.breaker.State() {
	case gobreaker.StateClosed:
		return Closed
	case gobreaker.StateHalfOpen:
		return HalfOpen
	default:
		return Open
	}
}
