package transform

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Limits of a Breaker.
const (
	MaxBreakerLimit  = 20 // the state of a Gate has room for so many times
	MaxBreakerWindow = 18 * time.Hour
)

// Breaker stops a place after many refusals in a short time, each of which may
// be somebody's guess: of another key, another context, another byte. It stays
// open, over restarts too, until a person resumes. Gates of one route share it.
type Breaker struct {
	// Limit is after how many refusals within Window it opens; 1 to
	// MaxBreakerLimit, and a second to MaxBreakerWindow.
	Limit  int
	Window time.Duration

	resumed atomic.Int64 // in milliseconds of Unix time
}

// Resume closes the breakers that have opened until now: Gates that are made
// from then on do not look at them.
func (b *Breaker) Resume(now time.Time) { b.resumed.Store(now.UnixMilli()) }

// BreakerError says that a breaker is open.
type BreakerError struct {
	Limit  int
	Window time.Duration
	Opened time.Time
}

func (e *BreakerError) Error() string {
	return fmt.Sprintf("the decrypt breaker is open since %s: %d messages were refused within %v",
		e.Opened.UTC().Format(time.RFC3339), e.Limit, e.Window)
}

// Resumable tells the pipeline that the place goes on when a person says so.
func (*BreakerError) Resumable() bool { return true }

// isGuess tells whether a refusal may be somebody's guess.
func isGuess(reason pipeline.Reason) bool {
	switch reason { //nolint:exhaustive // the others are not about keys
	case pipeline.ReasonTampered, pipeline.ReasonWrongKey, pipeline.ReasonUntrusted, pipeline.ReasonUnknownKey:
		return true
	}
	return false
}

// guesses are the latest refusals of a place, in milliseconds of Unix time, the
// oldest first. Of an open breaker the only one is when it opened.
type guesses struct {
	open  bool
	times []int64
}

// addRefusal adds a refusal, and reports whether the breaker has opened.
func (g *guesses) addRefusal(b *Breaker, now time.Time) (opened bool) {
	if g.open {
		return false
	}
	g.forgetBefore(now.Add(-b.Window))
	g.times = append(g.times, now.UnixMilli())
	slices.Sort(g.times) // the clock that told the others may have been ahead
	if len(g.times) < b.Limit {
		return false
	}
	g.open, g.times = true, append(g.times[:0], now.UnixMilli())
	return true
}

// forgetBefore forgets refusals that are older.
func (g *guesses) forgetBefore(limit time.Time) {
	old := 0
	for old < len(g.times) && g.times[old] <= limit.UnixMilli() {
		old++
	}
	g.times = slices.Delete(g.times, 0, old)
}

// The section of guesses:
//
//	flags 1 (01: open) || latest 6 || age 2 of each before it, younger first
//
// latest is in milliseconds of Unix time. An age is in seconds, rounded down:
// how long before the latest it was.
const (
	sectionGuesses = 3
	guessesHead    = 7
	guessAge       = 2
	maxGuesses     = guessesHead + (MaxBreakerLimit-2)*guessAge
)

// append appends the section to dst, if there is anything to say.
func (g *guesses) append(dst []byte) []byte {
	if len(g.times) == 0 {
		return dst
	}
	latest := g.times[len(g.times)-1]
	dst = append(dst, sectionGuesses)
	dst = binary.BigEndian.AppendUint16(dst, uint16(guessesHead+(len(g.times)-1)*guessAge))
	flags := byte(0)
	if g.open {
		flags = 1
	}
	dst = appendUint48(append(dst, flags), uint64(latest))
	for i := len(g.times) - 2; i >= 0; i-- {
		age := min((latest-g.times[i])/1000, 0xffff)
		dst = binary.BigEndian.AppendUint16(dst, uint16(age))
	}
	return dst
}

// parse reads the section.
func (g *guesses) parse(b []byte) bool {
	if len(b) < guessesHead || len(b) > maxGuesses || (len(b)-guessesHead)%guessAge != 0 || b[0] > 1 {
		return false
	}
	latest := int64(readUint(b[1:guessesHead]))
	open, ages := b[0] == 1, b[guessesHead:]
	if open && len(ages) > 0 {
		return false
	}
	times := []int64{latest}
	for before := uint64(0); len(ages) > 0; ages = ages[guessAge:] {
		age := readUint(ages[:guessAge])
		if age < before {
			return false
		}
		before = age
		times = append(times, latest-int64(age)*1000)
	}
	slices.Reverse(times)
	g.open, g.times = open, times
	return true
}

// adopt makes the guesses of a state fit a route's Breaker, nil if it has none.
// It returns a *BreakerError if they have opened it, and nobody has resumed
// since.
func (g *guesses) adopt(b *Breaker) error {
	switch {
	case b == nil:
		*g = guesses{}
	case g.open && g.times[0] <= b.resumed.Load():
		*g = guesses{}
	case g.open:
		return b.errorAt(g.times[0])
	case len(g.times) >= b.Limit: // it was higher when they were noted
		g.times = slices.Delete(g.times, 0, len(g.times)-b.Limit+1)
	}
	return nil
}

func (b *Breaker) errorAt(opened int64) error {
	return &BreakerError{Limit: b.Limit, Window: b.Window, Opened: time.UnixMilli(opened)}
}

var _ pipeline.RejectGate = (*Gate)(nil)

// NoteReject implements pipeline.RejectGate.
func (g *Gate) NoteReject(reason pipeline.Reason) error {
	b := g.o.Breaker
	if b == nil || !isGuess(reason) || !g.guesses.addRefusal(b, time.Now()) {
		return nil
	}
	return b.errorAt(g.guesses.times[0])
}

// ReadBreaker returns a *BreakerError if the state that the Gate was made from
// says that the breaker of the place is open.
func (g *Gate) ReadBreaker() error { return g.blocked }
