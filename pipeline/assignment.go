package pipeline

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Assignment is the set of places that a Source holds as one lane, for as long
// as they are its own: the partitions that a group assigned, a stream, a file.
// It outlives the servings of the lane, and remembers which of its places are
// parked and why.
//
// The pipeline parks places, in ticket order. The Source makes the Assignment,
// has Hold serve its lane, and asks it while reading: Stop says how far a place
// may be read, Due and Try when a parked place may be tried again. One
// goroutine reads at a time.
type Assignment struct {
	names   []string
	changed chan struct{} // has an entry when Stop or Due has another answer
	tried   atomic.Int32  // trials under way

	mu     sync.Mutex
	places map[string]*standstill
	whole  standstill  // of all places at once
	quiet  *time.Timer // runs while the whole is tried and nothing fails
	losses int         // in a row
	run    *engine     // that serves it; nil before
}

// NewAssignment returns an Assignment of the named places, none of them parked.
func NewAssignment(places ...string) *Assignment {
	a := &Assignment{
		names: slices.Clone(places), changed: make(chan struct{}, 1),
		places: make(map[string]*standstill, len(places)),
	}
	for _, name := range places {
		a.places[name] = new(standstill)
	}
	return a
}

// Stop returns the offset before which reading a place must stop: that of the
// message at which it is parked, or the largest there is if it moves.
func (a *Assignment) Stop(place string) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.places[place]; s != nil && s.err != nil {
		return s.at.Next
	}
	return math.MaxInt64
}

// Due returns where to begin a parked place again, if it may be tried now. The
// Next of the position is -1 if that is where the lane began to read the place.
// One place of an Assignment is tried at a time.
func (a *Assignment) Due(place string) (from Position, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.places[place]
	if s == nil || a.tried.Load() > 0 || !s.isDue() {
		return Position{}, false
	}
	return s.at, true
}

// Try says that the next batch has one message of a place that is due, and no
// more of that place follow until Stop lets them. A batch that begins the place
// again at the position from Due names it among its Starts.
func (a *Assignment) Try(place string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.places[place]; s != nil && s.err != nil && !s.trial {
		s.trial = true
		a.tried.Add(1)
	}
}

// NoteEmpty says that there is no message with which a place that is due could
// be tried. It goes on.
func (a *Assignment) NoteEmpty(place string) {
	a.mu.Lock()
	s := a.places[place]
	empty := s != nil && s.isDue()
	if empty {
		at := s.at
		s.goOn()
		if at.Next >= 0 {
			s.again = &at
		}
	}
	a.mu.Unlock()
	if empty {
		a.reportGoing([]string{place})
		a.wake()
	}
}

// takeAgain returns where a place begins that goes on since there was nothing
// to try it with, once.
func (a *Assignment) takeAgain(place string) (at Position, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.places[place]
	if s == nil || s.err != nil || s.again == nil {
		return Position{}, false
	}
	at, s.again = *s.again, nil
	return at, true
}

// IsTrying tells whether a message of a parked place is on its way as a trial:
// a lane with an end waits for the outcome.
func (a *Assignment) IsTrying() bool { return a.tried.Load() > 0 }

// Changed has an element when the answers of Stop and Due may have changed
// since it was last received from. It is for the one that reads.
func (a *Assignment) Changed() <-chan struct{} { return a.changed }

// AllParked tells whether every place stands still, for good or until it is
// tried again. A lane with an end is then at its end.
func (a *Assignment) AllParked() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.whole.err != nil && !a.whole.trial {
		return true
	}
	for _, s := range a.places {
		if s.err == nil || s.trial || s.resumed {
			return false
		}
	}
	return len(a.places) > 0
}

// NoteMoved says that something was committed, durably. A lane that is lost
// again and again without it is parked.
func (a *Assignment) NoteMoved() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.losses = 0
}

// servedBy returns the run that serves the lane; nil before it is served.
func (a *Assignment) servedBy() *engine {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.run
}

// wake wakes the one that reads.
func (a *Assignment) wake() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}
