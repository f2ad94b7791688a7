package pipeline

// makeProgress returns where the lane stands after the batch; nil if nothing of
// it counts. It is valid until the next call.
func (w *worker) makeProgress() *Progress {
	s := w.serving
	s.ends = s.ends[:0]
	s.done.Messages = 0
	for n := range w.places.counts {
		s.done.Messages += int(w.places.counts[n].Read)
	}
	for i := range w.batch.Ends {
		if end := w.batch.Ends[i]; w.placeEnd(&end) {
			s.ends = append(s.ends, end)
		}
	}
	s.done.Places = s.ends
	if s.done.Messages == 0 && len(s.ends) == 0 {
		return nil
	}
	return &s.done
}

// placeEnd moves the end of a place to where it stops, and adds the state of
// its gate. It reports whether the place moves at all.
func (w *worker) placeEnd(end *Position) bool {
	n := w.places.lookUp(end.Place)
	if n < 0 {
		return w.emptyEnd(end)
	}
	p := &w.places.stands[n]
	if p.stop == p.first {
		return false
	}
	if p.stop < len(w.batch.Messages) {
		o := &w.batch.Messages[p.stop].Origin
		end.Next, end.Last = o.Offset, o.Previous
	}
	end.State = p.lane.appendState()
	return true
}

// emptyEnd is placeEnd for a place without messages in the batch.
func (w *worker) emptyEnd(end *Position) bool {
	place := w.serving.places.find(end.Place)
	if place == nil {
		place = w.serving.startPlace(Position{Place: end.Place, Next: end.Next, Last: end.Last})
	}
	if place.parked {
		return false
	}
	end.State = place.appendState()
	return true
}

// keepStates notes the states of the gates after a part that has been written;
// done is nil unless it is the last one.
func (w *worker) keepStates(done *Progress) {
	if w.NewGate == nil {
		return
	}
	if done == nil {
		for n := range w.places.stands {
			if place := w.places.stands[n].lane; place != nil {
				place.appendState()
				place.keepState()
			}
		}
		return
	}
	for i := range done.Places {
		if place := w.serving.places.find(done.Places[i].Place); place != nil {
			place.keepState()
		}
	}
}

// parkStopped parks the places that stop within the batch for a cause. All
// stops are known by then.
func (w *worker) parkStopped() {
	if !w.places.stopped {
		return
	}
	for n := range w.places.stands {
		p := &w.places.stands[n]
		if p.cause == nil || p.told {
			continue
		}
		p.told, p.lane.parked = true, true
		at := Position{Place: w.places.counts[n].Place}
		if p.stop < len(w.batch.Messages) {
			o := &w.batch.Messages[p.stop].Origin
			at.Next, at.Last = o.Offset, o.Previous
		} else {
			for _, end := range w.batch.Ends {
				if end.Place == at.Place {
					at.Next, at.Last = end.Next, end.Last
				}
			}
		}
		if p.lane.gate != nil {
			at.State = p.lane.gate.AppendState(nil)
		}
		w.serving.assignment.parkPlace(at, p.cause)
	}
}

// observeBatch tells the observer and the assignment of a batch after the
// commit of its position.
func (w *worker) observeBatch(done *Progress) {
	w.serving.assignment.settle(w.batch.Starts, done.Places)
	passed := false
	for n := range w.places.counts {
		c := &w.places.counts[n]
		c.Skipped = c.Read - c.Written
		for _, rejected := range c.Rejected {
			c.Skipped -= rejected
		}
		passed = passed || c.Written+c.Skipped > 0
	}
	if passed && !w.passed.Load() {
		w.passed.Store(true)
	}
	for i := range done.Places {
		end := &done.Places[i]
		w.places.counts[w.places.find(end.Place, 0)].Next = end.Next
	}
	w.Observer.ObserveBatch(w.places.counts)
}
