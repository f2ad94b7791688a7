package pipeline

// brakeAfter is how many messages of a place may be rejected in a row. More of
// them are no poison: the key or the destination is wrong.
const brakeAfter = 100

// brakePlaces stops the places of which brakeAfter messages in a row were
// rejected, with dead letters or without. A message that is to be written
// counts as a success, until the sink refuses it.
func (w *worker) brakePlaces() error {
	if len(w.rejects) == 0 && w.serving.places.braking == 0 {
		return nil
	}
	w.countRows()
	braked := false
	for n := range w.places.stands {
		p := &w.places.stands[n]
		if p.brake < 0 || p.brake >= p.stop {
			continue
		}
		braked = true
		w.stopPlace(w.nextUnsettled(int32(n), p.brake), int32(n), &BrakedError{brakeAfter, p.last})
	}
	if braked && len(w.again.fates) == 0 {
		return w.rewindGates()
	}
	return nil
}

// countRows counts the rejects in a row of each place of the part, in read
// order.
func (w *worker) countRows() {
	for n := range w.places.stands {
		p := &w.places.stands[n]
		p.brake, p.row = -1, 0
		if p.lane != nil {
			p.row = p.lane.row
		}
	}
	sortLetters(w.rejects)
	r := 0
	for i := range w.msgs {
		for r < len(w.rejects) && w.rejects[r].index < w.parts[i].index {
			w.countReject(&w.rejects[r])
			r++
		}
		w.countSuccess(i)
	}
	for ; r < len(w.rejects); r++ {
		w.countReject(&w.rejects[r])
	}
}

func (w *worker) countReject(r *pendingLetter) {
	p := &w.places.stands[r.place]
	p.row++
	if p.row >= brakeAfter && p.brake < 0 {
		p.brake, p.last = r.index, r.reject
	}
}

// countSuccess counts message i of the part, unless the sink has refused it.
// Once it has been written no row before it stops the place; as long as it is
// to be written, a row before it does.
func (w *worker) countSuccess(i int) {
	p, f := &w.places.stands[w.parts[i].place], pending
	if len(w.again.fates) > 0 {
		f = w.again.fates[i]
	}
	switch {
	case f == written:
		p.row, p.brake = 0, -1
	case f == pending && p.brake < 0:
		p.row = 0
	}
}

// nextUnsettled returns the first message of a place, at index i or behind it,
// before which everything that the part has written of the place stands; the
// length of the batch if there is none.
func (w *worker) nextUnsettled(place int32, i int) int {
	for _, r := range w.rejects {
		if r.place == place && r.written {
			i = max(i, r.index+1)
		}
	}
	name := w.places.counts[place].Place
	for ; i < len(w.batch.Messages); i++ {
		if w.batch.Messages[i].Origin.Place == name {
			return i
		}
	}
	return i
}

// keepRows notes the rows of the places after the part has been written.
func (w *worker) keepRows() {
	if len(w.rejects) == 0 && w.serving.places.braking == 0 {
		return
	}
	w.countRows()
	for n := range w.places.stands {
		if p := &w.places.stands[n]; p.lane != nil {
			w.serving.places.setRow(p.lane, p.row)
		}
	}
}
