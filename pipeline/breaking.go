package pipeline

import "errors"

// noteRejects tells the gates of the part's rejects that are to become dead
// letters, and stops the places of which a gate has had enough. Nothing of the
// part has passed the gates yet.
func (w *worker) noteRejects() {
	if w.NewGate == nil || len(w.rejects) == 0 {
		return
	}
	for i := range w.rejects {
		r := &w.rejects[i]
		p := &w.places.stands[r.place]
		if r.index >= p.stop || r.index < p.noted {
			continue
		}
		p.noted = r.index + 1
		if err := noteReject(p.lane.gate, r.reject.Reason); err != nil {
			w.stopPlace(w.nextUnsettled(r.place, r.index+1), r.place, err)
		}
	}
}

// noteAgain tells a gate that was made anew of the rejects of its place before
// the stop.
func (w *worker) noteAgain(place int32) {
	p := &w.places.stands[place]
	p.noted = 0
	for i := range w.rejects {
		if r := &w.rejects[i]; r.place == place && r.index < p.stop {
			p.noted = max(p.noted, r.index+1)
			_ = noteReject(p.lane.gate, r.reject.Reason) // the place stops already
		}
	}
}

func noteReject(g Gate, reason Reason) error {
	if counting, ok := g.(RejectGate); ok {
		return counting.NoteReject(reason)
	}
	return nil
}

// isResumable tells whether a place that is parked for err goes on when a
// person says so.
func isResumable(err error) bool {
	var marked interface{ Resumable() bool }
	return errors.As(err, &marked) && marked.Resumable()
}

// resume makes the places due that are parked for a Resumable error, and
// returns their names.
func (a *Assignment) resume() (names []string) {
	a.mu.Lock()
	for _, name := range a.names {
		if s := a.places[name]; isResumable(s.err) && !s.trial {
			s.resume()
			names = append(names, name)
		}
	}
	a.mu.Unlock()
	if len(names) > 0 {
		a.wake()
	}
	return names
}

// resumePlaces has all places tried again that are parked for a Resumable
// error.
func (e *engine) resumePlaces() {
	e.mu.Lock()
	held := append([]*Assignment(nil), e.held...)
	e.mu.Unlock()
	for _, a := range held {
		if names := a.resume(); len(names) > 0 {
			e.Log.Warn("places are resumed", "places", len(names), "first", names[0])
		}
	}
}
