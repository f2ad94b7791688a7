package pipeline

import (
	"bytes"
	"fmt"
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
		s.goOn()
	}
	a.mu.Unlock()
	if empty {
		a.reportGoing([]string{place})
		a.wake()
	}
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
		if s.err == nil || s.trial {
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

// parkPlace parks a place at a position. The State of the position is lent.
func (a *Assignment) parkPlace(at Position, err error) {
	a.mu.Lock()
	s := a.places[at.Place]
	if s == nil { // the Source did not know of it
		s = new(standstill)
		a.places[at.Place] = s
		a.names = append(a.names, at.Place)
	}
	moved := a.parkStandstill(s, err)
	s.at = at
	s.at.State = bytes.Clone(at.State)
	a.mu.Unlock()
	if moved {
		a.reportParked([]string{at.Place}, at.Next, err)
	}
	a.wake()
}

// parkAll parks all places for one cause.
func (a *Assignment) parkAll(err error) {
	a.mu.Lock()
	moved := a.whole.park(err, a.wake)
	a.stopQuiet()
	a.endTrials()
	names := slices.Clone(a.names)
	a.mu.Unlock()
	if moved {
		a.reportParked(names, -1, err)
	}
	a.wake()
}

// parkEach parks every place that moves for a cause that may be one place's
// alone: each is tried by itself.
func (a *Assignment) parkEach(err error) {
	a.mu.Lock()
	var parked []string
	for _, name := range a.names {
		if s := a.places[name]; s.err == nil {
			s.park(err, a.wake)
			s.at = Position{Place: name, Next: -1, Last: -1}
			parked = append(parked, name)
		}
	}
	a.mu.Unlock()
	a.reportParked(parked, -1, err)
	a.wake()
}

// parkStandstill parks one place. a.mu is held.
func (a *Assignment) parkStandstill(s *standstill, err error) (moved bool) {
	if s.trial {
		a.tried.Add(-1)
	}
	return s.park(err, a.wake)
}

// endTrials ends all trials without success. a.mu is held.
func (a *Assignment) endTrials() {
	if a.tried.Load() == 0 {
		return
	}
	for _, s := range a.places {
		if s.trial {
			a.parkStandstill(s, s.err)
		}
	}
}

// begin is called by the run that serves the lane next, with the positions from
// which it is served. It reports whether that is a trial of all places.
//
// A place goes on if its committed position lies behind its stop: its message
// has passed in a trial, and the outcome of the trial was lost.
func (a *Assignment) begin(run *engine, start []Position) (trial bool) {
	var going []string
	a.mu.Lock()
	a.run = run
	for i := range start {
		s := a.places[start[i].Place]
		switch {
		case s == nil || s.err == nil:
		case s.at.Next < 0:
			s.at = start[i]
			s.at.State = bytes.Clone(start[i].State)
		case start[i].Next > s.at.Next:
			s.goOn()
			going = append(going, start[i].Place)
		}
	}
	a.whole.trial = a.whole.err != nil
	trial = a.whole.trial
	a.mu.Unlock()
	a.reportGoing(going)
	a.wake()
	return trial
}

// quietTrial is how long a trial of all places takes if no message comes.
const quietTrial = 10 * time.Second

// noteOpen is called when the writers of a lane are open. A trial of all places
// during which nothing comes and nothing fails shows that the cause is gone.
func (a *Assignment) noteOpen() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.whole.trial {
		a.quiet = time.AfterFunc(quietTrial, a.goOnAll)
	}
}

// stopQuiet forgets that a trial of all places may end by itself. a.mu is held.
func (a *Assignment) stopQuiet() {
	if a.quiet != nil {
		a.quiet.Stop()
		a.quiet = nil
	}
}

// goOnAll ends the trial of all places with success.
func (a *Assignment) goOnAll() {
	a.mu.Lock()
	a.stopQuiet()
	if !a.whole.trial { // it has failed meanwhile
		a.mu.Unlock()
		return
	}
	a.whole.goOn()
	var going []string
	for _, name := range a.names {
		if a.places[name].err == nil {
			going = append(going, name)
		}
	}
	a.mu.Unlock()
	a.reportGoing(going)
}

// mayStart tells whether a batch that begins a place may do so in its turn. A
// trial does not count any more if the place was parked again since the batch
// was read, at a message that stands before.
func (a *Assignment) mayStart(at Position) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.places[at.Place]
	return s == nil || s.err == nil || s.trial && s.at.Next == at.Next
}

// settle is called when a batch that began the places of starts has been
// committed and has moved the places of moved: a trial that moves its place has
// succeeded. Batches from before the trial do not name it among their starts.
func (a *Assignment) settle(starts, moved []Position) {
	if a.tried.Load() == 0 {
		return
	}
	a.mu.Lock()
	var going []string
	for i := range moved {
		name := moved[i].Place
		s := a.places[name]
		if s == nil || !s.trial || s.at.Next >= 0 && !hasPlace(starts, name) {
			continue
		}
		a.tried.Add(-1)
		s.goOn()
		going = append(going, name)
	}
	a.mu.Unlock()
	if len(going) > 0 {
		a.reportGoing(going)
		a.wake()
	}
}

func hasPlace(positions []Position, name string) bool {
	return slices.ContainsFunc(positions, func(p Position) bool { return p.Place == name })
}

// maxLosses is how many times in a row a lane may be lost without having
// committed anything before its places count as parked.
const maxLosses = 20

// lose is called when the lane was lost. It returns how often in a row, or 0 if
// the places were parked because that is too often.
func (a *Assignment) lose(err error) (times int) {
	a.mu.Lock()
	if a.tried.Load() == 0 || a.losses == 0 {
		a.losses++ // else the place that is being tried is to blame
	}
	times = a.losses
	a.whole.trial = false
	a.stopQuiet()
	a.endTrials()
	if times >= maxLosses {
		a.losses = 0
	}
	a.mu.Unlock()
	if times < maxLosses {
		return times
	}
	a.parkEach(Passing(&lossError{times, err}))
	return 0
}

// listParked returns the places that stand still, and whether some place does
// not.
func (a *Assignment) listParked() (parked []ParkedPlace, moving bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var rest []string
	for _, name := range a.names {
		s := a.places[name]
		if s.err == nil {
			rest = append(rest, name)
			continue
		}
		parked = append(parked, ParkedPlace{Places: []string{name}, At: s.at.Next, Err: s.err})
	}
	if a.whole.err == nil {
		return parked, len(rest) > 0
	}
	if len(rest) == 0 {
		rest = slices.Clone(a.names)
	}
	return append(parked, ParkedPlace{Places: rest, At: -1, Err: a.whole.err}), false
}

// release forgets the places: they are not ours any more.
func (a *Assignment) release() {
	a.mu.Lock()
	a.stopQuiet()
	a.whole.stopTimer()
	for _, s := range a.places {
		s.stopTimer()
	}
	run := a.run
	a.mu.Unlock()
	if run != nil {
		run.forgetPlaces(a)
	}
}

func (a *Assignment) reportParked(places []string, at int64, err error) {
	if run := a.servedBy(); run != nil && len(places) > 0 {
		run.placesParked(places, at, err)
	}
}

func (a *Assignment) reportGoing(places []string) {
	if run := a.servedBy(); run != nil && len(places) > 0 {
		run.placesGoOn(places)
	}
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

// lossError is the cause of places that are parked because their lane was lost
// again and again. It is no ErrLost itself.
type lossError struct {
	times int
	last  error
}

func (e *lossError) Error() string {
	return fmt.Sprintf("lost %d times in a row, at last because: %v", e.times, e.last)
}
