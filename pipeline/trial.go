package pipeline

import (
	"bytes"
	"slices"
	"time"
)

// endTrials ends all trials without an outcome. A place that a person has
// resumed is tried again after a wait. a.mu is held.
func (a *Assignment) endTrials() {
	if a.tried.Load() == 0 {
		return
	}
	for _, s := range a.places {
		if !s.trial {
			continue
		}
		resumed := s.resumed
		a.parkStandstill(s, s.err)
		if resumed && s.due.IsZero() {
			s.resumed = true
			s.postpone(a.wake)
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
	// A lane that had failed may have begun a trial afterwards: its reader was
	// still at work. Nobody waits for the outcome.
	a.endTrials()
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
