package pipeline

import "fmt"

// lanePlaces are the places of a lane as the worker that has the turn knows
// them.
type lanePlaces struct {
	newGate func(place string, state []byte) (Gate, error) // nil: no gates
	byName  map[string]*lanePlace
	recent  *lanePlace
	braking int // places with a row of rejects
}

// lanePlace is how far a lane has come with one place, in ticket order.
type lanePlace struct {
	name   string
	gate   Gate   // nil without gates
	saved  []byte // the gate's state as of the last write that went well
	next   []byte // and as of the write under way
	parked bool   // later messages are dropped
	row    int    // rejects since the last success
}

// find returns a place, or nil if it is new. Neighbours are mostly of one
// place.
func (l *lanePlaces) find(name string) *lanePlace {
	if l.recent == nil || l.recent.name != name {
		p := l.byName[name]
		if p == nil {
			return nil
		}
		l.recent = p
	}
	return l.recent
}

// start begins a place, or begins it again, with a gate that has a state.
func (l *lanePlaces) start(name string, state []byte) (*lanePlace, error) {
	p := l.byName[name]
	if p == nil {
		if l.byName == nil {
			l.byName = make(map[string]*lanePlace)
		}
		p = &lanePlace{name: name}
		l.byName[name] = p
	}
	l.setRow(p, 0)
	p.parked = false
	p.saved = append(p.saved[:0], state...)
	if l.newGate == nil {
		return p, nil
	}
	return p, l.openGate(p, state)
}

// openGate makes the gate of a place.
func (l *lanePlaces) openGate(p *lanePlace, state []byte) (err error) {
	if p.gate, err = l.newGate(p.name, state); err != nil {
		return fmt.Errorf("%s: gate: %w", p.name, err)
	}
	return nil
}

// setRow notes how many messages of a place were rejected in a row.
func (l *lanePlaces) setRow(p *lanePlace, row int) {
	switch {
	case p.row == 0 && row > 0:
		l.braking++
	case p.row > 0 && row == 0:
		l.braking--
	}
	p.row = row
}

// appendState notes the state of the gate in p.next and returns it; nil without
// a gate.
func (p *lanePlace) appendState() []byte {
	if p.gate == nil {
		return nil
	}
	p.next = p.gate.AppendState(p.next[:0])
	return p.next
}

// keepState makes the state of the last appendState the one that was written.
func (p *lanePlace) keepState() { p.saved, p.next = p.next, p.saved }

// startPlace begins a place of the lane at a position. If its gate cannot be
// made the place is parked there.
func (s *serving) startPlace(at Position) *lanePlace {
	p, err := s.places.start(at.Place, at.State)
	if err != nil {
		p.parked = true
		s.assignment.parkPlace(at, err)
	}
	return p
}
