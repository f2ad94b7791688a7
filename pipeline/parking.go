package pipeline

import (
	"bytes"
	"slices"
)

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
		moving = moving || s.resumed
	}
	if a.whole.err == nil {
		return parked, moving || len(rest) > 0
	}
	if len(rest) == 0 && len(parked) > 0 {
		// Each place has a cause of its own. Whether the lane has come to
		// another one behind those depends on how far its reader was ahead.
		return parked, false
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
