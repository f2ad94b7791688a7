package pipeline

// writePart writes what is filled so far, to make room for message next of the batch. What was read stays
// one step: the position follows with its last write. On error it returns where the step ends instead.
func (w *worker) writePart(next int) (int, error) {
	if err := w.awaitTurn(); err != nil {
		return next, err
	}
	if stop, err := w.admitMessages(); err != nil {
		return stop, err
	}
	if err := w.writeStep(nil); err != nil {
		w.endLane(err)
		return next, err
	}
	w.resetBuffers()
	return next, nil
}

// finishBatch writes and commits what is left of the batch before message stop, and ends the lane if there
// is an err for which it stops there.
func (w *worker) finishBatch(stop int, err error) {
	if w.awaitTurn() != nil {
		return
	}
	if at, refused := w.admitMessages(); refused != nil {
		stop, err = at, refused
	}
	if stop > 0 || err == nil {
		done := w.makeProgress(stop)
		if err := w.writeStep(done); err != nil {
			w.endLane(err)
			return
		}
		if err := w.serving.source.Commit(w.serving.grace, done); err != nil {
			w.endLane(err)
			return
		}
		w.observe(stop)
	}
	if err != nil {
		w.endLane(err)
	}
}

// awaitTurn waits for the batch's turn, and returns the error that has ended the lane, if any.
func (w *worker) awaitTurn() error {
	if !w.mine {
		w.over = w.serving.turn.waitFor(w.ticket)
		w.mine = true
	}
	return w.over
}

// endLane ends the lane: what comes after the batch in hand is read no more and dropped. It needs the turn.
func (w *worker) endLane(err error) {
	w.over = err
	w.serving.turn.failLane(err)
	w.serving.stop()
}

// admitMessages takes the messages that have not passed the gate yet through it. If the lane cannot go on it
// drops what begins with the message at fault and returns its index in the batch.
func (w *worker) admitMessages() (int, error) {
	kept := w.admitted
	for i := w.admitted; i < len(w.msgs); i++ {
		if err := w.serving.gates.admitMessage(&w.msgs[i]); err != nil {
			if err = w.refuseMessage(w.from[i], err); err != nil {
				stop := w.from[i]
				w.keepAdmitted(kept)
				w.cutRejects(stop)
				return stop, err
			}
			continue
		}
		if kept < i {
			w.msgs[kept], w.from[kept], w.of[kept] = w.msgs[i], w.from[i], w.of[i]
		}
		kept++
	}
	w.keepAdmitted(kept)
	return 0, nil
}

// keepAdmitted cuts msgs to the n that the gate has let through.
func (w *worker) keepAdmitted(n int) {
	clear(w.msgs[n:])
	w.msgs, w.from, w.of, w.admitted = w.msgs[:n], w.from[:n], w.of[:n], n
}

// cutRejects forgets the rejects that come after message stop of the batch.
func (w *worker) cutRejects(stop int) {
	kept := w.rejects[:0]
	for _, r := range w.rejects {
		if r.index < stop {
			kept = append(kept, r)
		}
	}
	w.rejects = kept
}

// makeProgress is where the lane stands after message stop-1 of the batch. It uses the batch's own Ends.
func (w *worker) makeProgress(stop int) *Progress {
	ends := w.batch.Ends
	rest := w.batch.Messages[stop:]
	for i := range ends {
		for j := range rest {
			if o := &rest[j].Origin; o.Place == ends[i].Place {
				ends[i].Next, ends[i].Last = o.Offset, o.Previous
				break
			}
		}
	}
	w.serving.gates.saveStates(ends)
	w.serving.done = Progress{Messages: stop, Places: ends}
	return &w.serving.done
}

// writeStep writes dead letters and messages, in this order, so that no message is behind a position of
// which nothing is left.
func (w *worker) writeStep(done *Progress) error {
	l := w.serving
	if len(w.rejects) > 0 {
		w.letters = appendLetters(w.letters[:0], w.batch.Messages, w.rejects, w.DeadLetterValues)
		if err := l.dead.Write(l.grace, w.letters, nil); err != nil {
			return err
		}
		l.owed = true
	}
	if len(w.msgs) > 0 || done != nil {
		if err := l.sink.Write(l.grace, w.msgs, done); err != nil {
			return err
		}
	}
	if done != nil && l.owed {
		if err := l.dead.Write(l.grace, nil, done); err != nil {
			return err
		}
		l.owed = false
	}
	w.countWritten()
	return nil
}

// countWritten counts what was just written.
func (w *worker) countWritten() {
	for _, r := range w.rejects {
		w.places.countReject(w.places.find(w.batch.Messages[r.index].Origin.Place), r.err.Reason)
	}
	if n := len(w.rejects); n > 0 {
		first := w.rejects[0]
		err := &MessageError{Origin: w.batch.Messages[first.index].Origin, Err: first.err}
		w.Log.Warn("messages rejected", "count", n, "first", err)
	}
	for i := range w.msgs {
		c := &w.places.counts[w.of[i]]
		c.Written++
		c.BytesOut += int64(len(w.msgs[i].Key) + len(w.msgs[i].Value))
	}
}

// observe tells the observer what became of the batch, which ended at message
// stop. It needs the turn, and the position has been committed.
func (w *worker) observe(stop int) {
	if stop < len(w.batch.Messages) {
		w.recount(stop)
	}
	for i := range w.places.counts {
		c := &w.places.counts[i]
		c.Skipped = c.Read - c.Written
		for _, n := range c.Rejected {
			c.Skipped -= n
		}
	}
	for i := range w.batch.Ends {
		end := &w.batch.Ends[i]
		w.places.counts[w.places.find(end.Place)].Next = end.Next
	}
	w.Observer.ObserveBatch(w.places.counts)
}

// recount counts only the messages before stop as read.
func (w *worker) recount(stop int) {
	for i := range w.places.counts {
		w.places.counts[i].Read, w.places.counts[i].BytesIn = 0, 0
	}
	for i := range w.batch.Messages[:stop] {
		m := &w.batch.Messages[i]
		c := &w.places.counts[w.places.find(m.Origin.Place)]
		c.Read++
		c.BytesIn += int64(len(m.Key) + len(m.Value))
	}
}

// resetBuffers makes the worker's memory free for the next messages.
func (w *worker) resetBuffers() {
	w.transform.Reset()
	clear(w.msgs)
	clear(w.letters)
	clear(w.rejects)
	w.msgs, w.from, w.of = w.msgs[:0], w.from[:0], w.of[:0]
	w.letters, w.rejects = w.letters[:0], w.rejects[:0]
	w.out = w.out[:0]
	w.admitted, w.aside = 0, 0
}
