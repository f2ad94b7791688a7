package pipeline

import "fmt"

// gates holds the Gate of each place of a lane.
type gates struct {
	newGate func(place string, state []byte) (Gate, error) // nil: no gates
	byPlace map[string]*placeGate
	recent  *placeGate
}

type placeGate struct {
	Gate
	place string
	state []byte // as last appended
}

// openAll makes the gates of the places that the lane goes on with.
func (g *gates) openAll(newGate func(string, []byte) (Gate, error), positions []Position) error {
	g.newGate = newGate
	if newGate == nil {
		return nil
	}
	g.byPlace = make(map[string]*placeGate, len(positions))
	for i := range positions {
		if _, err := g.openGate(positions[i].Place, positions[i].State); err != nil {
			return err
		}
	}
	return nil
}

func (g *gates) openGate(place string, state []byte) (*placeGate, error) {
	gate, err := g.newGate(place, state)
	if err != nil {
		return nil, fmt.Errorf("%s: gate: %w", place, err)
	}
	pg := &placeGate{Gate: gate, place: place}
	g.byPlace[place] = pg
	return pg, nil
}

// admitMessage asks the gate of m's place.
func (g *gates) admitMessage(m *Message) error {
	if g.newGate == nil {
		return nil
	}
	gate := g.recent
	if gate == nil || gate.place != m.Origin.Place { // neighbours are mostly of one place
		if gate = g.byPlace[m.Origin.Place]; gate == nil {
			var err error
			if gate, err = g.openGate(m.Origin.Place, nil); err != nil {
				return err
			}
		}
		g.recent = gate
	}
	return gate.Admit(m)
}

// saveStates writes the state of the gates into the positions of their places. It is valid until the
// next snapshot.
func (g *gates) saveStates(positions []Position) {
	for i := range positions {
		p := &positions[i]
		p.State = nil
		if gate := g.byPlace[p.Place]; gate != nil {
			gate.state = gate.AppendState(gate.state[:0])
			p.State = gate.state
		}
	}
}
