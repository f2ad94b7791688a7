package guard

import (
	"time"

	"github.com/sony/gobreaker/v2"
)

// Observer is told of the turns of calls, with the name of the KEK. It is told
// at once and sometimes under a lock, so its methods must return at once, and
// must not call this package. How calls end, kekcache tells.
type Observer interface {
	// BreakerState is told of each change.
	BreakerState(key string, s State)
	// CallRefused is told of each call that an open breaker refuses.
	CallRefused(key string)
	// CallDelayed is told of each call that had to wait for the rate.
	CallDelayed(key string, waited time.Duration)
}

// nobody is the Observer if there is none.
type nobody struct{}

func (nobody) BreakerState(string, State)        {}
func (nobody) CallRefused(string)                {}
func (nobody) CallDelayed(string, time.Duration) {}

// State says whether calls are made.
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
func (g *Guard) State() State { return convertState(g.breaker.State()) }

func convertState(s gobreaker.State) State {
	switch s {
	case gobreaker.StateClosed:
		return Closed
	case gobreaker.StateHalfOpen:
		return HalfOpen
	case gobreaker.StateOpen:
	}
	return Open
}
