package pipeline

import (
	"errors"
	"fmt"
	"slices"
)

// flushPart writes the part that is filled, to make room for more of the batch.
// The batch stays one step: the position follows with its last part. An error
// has ended the lane.
func (w *worker) flushPart() error {
	defer w.countFlush()()
	w.preparePart()
	if err := w.awaitTurn(); err != nil {
		return err
	}
	if _, err := w.writePart(false); err != nil {
		w.parkStopped()
		w.endLane(err)
		return err
	}
	w.resetBuffers()
	return nil
}

// finishBatch writes and commits the rest of the batch before message end, and
// ends the lane if there is an err for which the batch ends there.
func (w *worker) finishBatch(end int, err error) {
	if w.awaitTurn() != nil {
		return
	}
	w.stopAll(end)
	w.taken.Write.Began = w.readClock()
	done, failed := w.writePart(true)
	w.taken.Write.Ended = w.readClock()
	w.parkStopped() // also if the lane is lost: it is then served up to there
	if failed == nil && done != nil {
		done.SetAside = w.setAside
		w.taken.Commit.Began = w.readClock()
		failed = w.serving.source.Commit(w.serving.grace, done)
		w.taken.Commit.Ended = w.readClock()
	}
	if failed != nil {
		w.endLane(failed)
		return
	}
	if done != nil {
		w.observeBatch(done)
	}
	if err != nil {
		w.endLane(err)
	}
}

// awaitTurn waits for the batch's turn, and returns the error that has ended
// the lane, if any.
func (w *worker) awaitTurn() error {
	if w.mine {
		return w.over
	}
	w.over = w.serving.turn.waitFor(w.ticket)
	w.mine = true
	if w.over == nil {
		for _, at := range w.batch.Starts {
			if w.serving.assignment.mayStart(at) {
				w.serving.startPlace(at)
			}
		}
	}
	return w.over
}

// stopAll stops all places before message end of the batch, without parking
// them.
func (w *worker) stopAll(end int) {
	for i := end; i < len(w.batch.Messages); i++ {
		w.stopPlace(i, w.places.find(w.batch.Messages[i].Origin.Place, i), nil)
	}
}

// writePart takes a part through its turn: the gate, the dead letters, the
// sink. With the last part it also writes the position, which it returns; nil
// if nothing of the batch counts.
func (w *worker) writePart(last bool) (done *Progress, err error) {
	w.taken.Parts++
	w.meetPlaces()
	w.noteRejects()
	w.admitMessages()
	if err := w.brakePlaces(); err != nil {
		return nil, err
	}
	w.cutStopped()
	w.again.msgs = w.msgs
	for {
		if err := w.writeLetters(); err != nil {
			return nil, err
		}
		if err := w.cutBehindStops(); err != nil {
			return nil, err
		}
		if last {
			done = w.makeProgress()
		}
		position := done
		if last && done == nil && w.refusing {
			position = new(Progress) // the sink waits for the end of the step
		}
		if len(w.again.msgs) == 0 && position == nil {
			break
		}
		err := w.writeMessages(position)
		if err == nil {
			break
		}
		refused, ok := errors.AsType[*Refused](err)
		if !ok {
			return nil, err
		}
		if err := w.takeRefusal(refused); err != nil {
			return nil, err
		}
	}
	if done != nil && w.serving.owed {
		if err := w.serving.dead.Write(w.serving.grace, nil, done); err != nil {
			return nil, err
		}
		w.serving.owed = false
	}
	w.keepPart(done)
	return done, nil
}

// meetPlaces finds the places of the part among those of the lane. A place that
// was parked since the batch was read stops at its first message: neither the
// gate nor a position may know of the messages that follow.
func (w *worker) meetPlaces() {
	for n := range w.places.stands {
		p := &w.places.stands[n]
		if p.lane != nil {
			continue
		}
		if p.lane = w.serving.places.find(w.places.counts[n].Place); p.lane == nil {
			first := &w.batch.Messages[p.first].Origin
			p.lane = w.serving.startPlace(Position{Place: first.Place, Next: first.Offset, Last: first.Previous})
		}
		if p.lane.parked {
			if at, ok := w.serving.assignment.takeAgain(p.lane.name); ok {
				w.serving.startPlace(at)
			}
		}
		if p.lane.parked {
			w.stopPlace(p.first, int32(n), nil)
			p.cause = nil // if it stopped there already
		}
	}
}

// admitMessages takes the messages that have not passed the gate yet through
// it.
func (w *worker) admitMessages() {
	if w.NewGate == nil && !w.places.stopped {
		w.admitted = len(w.msgs)
		return
	}
	kept := w.admitted
	for i := w.admitted; i < len(w.msgs); i++ {
		p := &w.places.stands[w.parts[i].place]
		if w.parts[i].index >= p.stop {
			continue
		}
		if p.lane.gate != nil {
			if err := p.lane.gate.Admit(&w.msgs[i]); err != nil {
				w.refuseMessage(w.parts[i].index, w.parts[i].place, err)
				continue
			}
		}
		if kept < i {
			w.msgs[kept], w.parts[kept] = w.msgs[i], w.parts[i]
		}
		kept++
	}
	w.keepAdmitted(kept)
}

// keepAdmitted cuts msgs to the n that the gate has let through.
func (w *worker) keepAdmitted(n int) {
	clear(w.msgs[n:])
	w.msgs, w.parts, w.admitted = w.msgs[:n], w.parts[:n], n
}

// cutStopped drops the messages and the rejects of the part that stand at the
// stop of their place, or behind it. Nothing of the part has been written.
func (w *worker) cutStopped() {
	if !w.places.stopped {
		return
	}
	kept := 0
	for i := range w.msgs {
		if w.parts[i].index < w.places.stands[w.parts[i].place].stop {
			w.msgs[kept], w.parts[kept] = w.msgs[i], w.parts[i]
			kept++
		}
	}
	w.keepAdmitted(kept)
	w.cutRejects()
}

// cutRejects drops the unwritten rejects at and behind the stops of their
// places.
func (w *worker) cutRejects() {
	kept := w.rejects[:0]
	for _, r := range w.rejects {
		if r.written || r.index < w.places.stands[r.place].stop {
			kept = append(kept, r)
		}
	}
	clear(w.rejects[len(kept):])
	w.rejects = kept
}

// writeLetters writes the dead letters of the rejects, so that no message is
// behind a position of which nothing is left. A dead letter that is refused
// stops the place of its message.
func (w *worker) writeLetters() error {
	w.letters = appendLetters(w.letters[:0], w.batch.Messages, w.rejects, w.DeadLetterValues)
	if len(w.letters) == 0 {
		return nil
	}
	err := w.serving.dead.Write(w.serving.grace, w.letters, nil)
	refused, ok := errors.AsType[*Refused](err)
	if err != nil && !ok {
		return err
	}
	w.serving.owed = true
	first, count := (*pendingLetter)(nil), 0
	for i, n := 0, -1; i < len(w.rejects); i++ {
		r := &w.rejects[i]
		if r.written {
			continue
		}
		n++
		if cause := refused.of(n); cause != nil {
			w.stopPlace(r.index, r.place, fmt.Errorf("its dead letter was refused: %w", cause))
			continue
		}
		r.written = refused == nil || !slices.Contains(refused.Left, n)
		if !r.written {
			continue
		}
		if count++; first == nil {
			first = r
		}
	}
	if count > 0 {
		w.Log.Warn("messages rejected", "count", count,
			"first", &MessageError{Origin: w.batch.Messages[first.index].Origin, Err: first.reject})
	}
	return nil
}

// cutBehindStops drops from the next Write the messages behind a stop that a
// dead letter has made.
func (w *worker) cutBehindStops() error {
	if !w.places.stopped {
		return nil
	}
	if err := w.rewindGates(); err != nil {
		return err
	}
	if len(w.again.fates) > 0 {
		w.passOver()
		return nil
	}
	w.cutStopped()
	w.again.msgs = w.msgs
	return nil
}

// keepPart notes that the part has been written.
func (w *worker) keepPart(done *Progress) {
	for _, r := range w.rejects { // in read order, see writeLetters
		w.places.countReject(r.place, r.reject.Reason)
		w.setAside = append(w.setAside, SetAside{Index: r.index, Reason: r.reject.Reason})
	}
	for i := range w.parts {
		if !w.again.endsWritten(i) {
			continue
		}
		c := &w.places.counts[w.parts[i].place]
		c.Written++
		c.BytesOut += int64(w.parts[i].size)
	}
	w.keepRows()
	w.keepStates(done)
	for n := range w.places.stands {
		w.places.stands[n].noted = 0
	}
}
