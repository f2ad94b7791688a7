package pipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// worker is the memory and the turn of one batch in flight.
//
// The batch in hand stays as it was read, for dead letters and for the one that
// lent it: the transform changes the copies in msgs, and their values lie in
// out one after the other. A batch with output over the budget is written in
// parts; msgs and rejects are those of the part.
type worker struct {
	*engine
	transform Transform
	// The most bytes in out, and the most messages of a part.
	maxOut, maxMessages int

	aside int // bytes that the transform may keep for null values
	again refusal

	*buffers // of the job
	job
	places   batchPlaces
	admitted int           // msgs that the gate has let through
	refusing bool          // the sink has refused messages of the batch
	mine     bool          // it is our turn
	over     error         // our turn has come and the lane has ended
	flushing time.Duration // time of the batch's parts before the last one
	setAside []SetAside    // messages of the batch with a dead letter
	taken    Steps         // of the batch
	ready    prepared      // by the sink
}

// partMessage says which message of the batch a message of the part is.
type partMessage struct {
	index int   // in the batch
	place int32 // in places
	size  int   // bytes of key and value, as they are written
}

// messageSize is how many bytes a message takes besides those it refers to.
var messageSize = int(reflect.TypeFor[Message]().Size() + reflect.TypeFor[partMessage]().Size())

// newWorker returns a worker. Options.Budget tells how its budget is divided.
func (e *engine) newWorker() *worker {
	return &worker{
		engine: e, transform: e.NewTransform(),
		maxOut: e.Budget / 8 * 3, maxMessages: e.Budget / 8 / messageSize,
	}
}

func (w *worker) runJobs() {
	for j := range w.jobs {
		w.job, w.buffers, w.refusing, w.mine, w.over = j, j.memory, false, false, nil
		w.settleBatch()
		w.job, w.buffers = job{}, nil
	}
}

// settleBatch takes the batch in hand from the transform to the commit.
func (w *worker) settleBatch() {
	clock := w.beginWork()
	w.beginSteps()
	end, err := w.transformBatch()
	if err == nil {
		w.preparePart()
	}
	clock.endTransform()
	w.taken.Transform.Ended = w.readClock()
	w.finishBatch(end, err)
	w.endWork(clock)
	w.endSteps()
	w.resetBuffers()
	w.setAside = w.setAside[:0]
	w.places.reset()
	w.batch.release()
	w.giveBack()
	w.serving.turn.endTurn()
}

// transformBatch transforms the batch. A message that cannot pass stops its
// place, and the rest of that place is passed over. It returns the index of the
// message before which the lane was told to end and why, or the length of the
// batch and nil.
func (w *worker) transformBatch() (int, error) {
	ctx := w.serving.reading
	told := ctx.Done()
	for i := range w.batch.Messages {
		select {
		case <-told:
			return i, context.Cause(ctx)
		default:
		}
		in := &w.batch.Messages[i]
		n := w.places.find(in.Origin.Place, i)
		if i >= w.places.stands[n].stop {
			continue
		}
		count := &w.places.counts[n]
		count.Read++
		count.BytesIn += int64(len(in.Key) + len(in.Value))
		if in.Fault != nil {
			w.refuseMessage(i, n, in.Fault)
			continue
		}
		need := w.transform.Bound(in)
		if need > w.maxOut {
			w.rejectMessage(i, n, tooLarge(need, w.maxOut))
			continue
		}
		if !w.reserveRoom(need) {
			if err := w.flushPart(); err != nil {
				return i, err
			}
			if i >= w.places.stands[n].stop { // found in the turn
				continue
			}
			w.reserveRoom(need)
		}
		if err := w.appendMessage(ctx, i, n, need); err != nil {
			if endsLane(ctx, err) {
				return i, err
			}
			w.refuseMessage(i, n, err)
		}
	}
	return len(w.batch.Messages), nil
}

// endsLane tells whether the error of a transform ends the lane, and not only
// the place of its message: the lane is lost, or was told to end and the error
// may be no more than that.
func endsLane(ctx context.Context, err error) bool {
	if _, reject := errors.AsType[*Reject](err); reject || errors.Is(err, Skip) {
		return false
	}
	return ctx.Err() != nil || errors.Is(err, ErrLost)
}

// appendMessage transforms message i of the batch into out and msgs, or leaves
// both as they are.
func (w *worker) appendMessage(ctx context.Context, i int, place int32, need int) error {
	n, at := len(w.msgs), len(w.out)
	w.msgs = append(w.msgs, w.batch.Messages[i])
	m := &w.msgs[n]
	out, err := w.transform.Append(ctx, w.out, m)
	if err == nil && len(out)-at > need {
		err = fmt.Errorf("transform appended %d bytes after a bound of %d", len(out)-at, need)
	}
	if err != nil {
		w.msgs = w.msgs[:n]
		return err
	}
	if m.Value != nil {
		m.Value = out[at:len(out):len(out)]
		w.out = out
	} else {
		w.aside += need // in the transform's own memory
	}
	w.parts = append(w.parts, partMessage{index: i, place: place, size: len(m.Key) + len(m.Value)})
	return nil
}

// refuseMessage decides about message i of the batch, which the transform, the
// gate or the sink does not let pass.
func (w *worker) refuseMessage(i int, place int32, err error) {
	if errors.Is(err, Skip) {
		return
	}
	if reject, ok := errors.AsType[*Reject](err); ok {
		w.rejectMessage(i, place, reject)
		return
	}
	w.stopPlace(i, place, err)
}

// rejectMessage sets message i of the batch aside for the dead letters. Without
// any, or if Options.Parks says so, its place stops.
func (w *worker) rejectMessage(i int, place int32, r *Reject) {
	if w.DeadLetters == nil || w.Parks != nil && w.Parks(r.Reason) {
		w.stopPlace(i, place, r)
		return
	}
	w.rejects = append(w.rejects, pendingLetter{index: i, place: place, reject: r})
}

// stopPlace stops a place at message i of the batch, or at the end of the
// batch, unless it stops before. It is to be parked there if there is a cause.
func (w *worker) stopPlace(i int, place int32, cause error) {
	p := &w.places.stands[place]
	if i >= p.stop {
		return
	}
	p.stop, p.cause = i, cause
	w.places.stopped = true
	if _, named := errors.AsType[*MessageError](cause); cause != nil && !named && i < len(w.batch.Messages) {
		p.cause = &MessageError{Origin: w.batch.Messages[i].Origin, Err: cause}
	}
	w.recountPlace(place)
}

// recountPlace counts only the messages before the stop of a place as read.
func (w *worker) recountPlace(place int32) {
	c, p := &w.places.counts[place], &w.places.stands[place]
	c.Read, c.BytesIn = 0, 0
	for i := p.first; i < min(p.stop, len(w.batch.Messages)); i++ {
		if m := &w.batch.Messages[i]; m.Origin.Place == c.Place {
			c.Read++
			c.BytesIn += int64(len(m.Key) + len(m.Value))
		}
	}
}

func tooLarge(need, limit int) *Reject {
	return &Reject{Reason: ReasonTooLarge, Err: fmt.Errorf("too-large: may need %d bytes of %d", need, limit)}
}

// reserveRoom makes room for one message of need bytes, and reports whether
// there is any before the part is written.
func (w *worker) reserveRoom(need int) bool {
	switch {
	case len(w.msgs)+len(w.rejects) >= w.maxMessages:
		return false
	case w.aside == 0 && w.out != nil && need <= cap(w.out)-len(w.out):
		return true
	case need > w.maxOut-len(w.out)-w.aside:
		return false
	}
	if w.out == nil || need > cap(w.out)-len(w.out) {
		w.growBuffer(need)
	}
	return true
}

// minOut keeps small batches from growing the buffer in small steps.
const minOut = 16 << 10

// growBuffer moves out, and the values in it, to a buffer with room for need
// more bytes.
func (w *worker) growBuffer(need int) {
	size := min(w.maxOut, max(minOut, 2*cap(w.out), len(w.out)+need))
	old := w.out
	w.out = append(make([]byte, 0, size), old...)
	at := 0
	for i := range w.msgs {
		m := &w.msgs[i]
		if m.Value != nil {
			end := at + len(m.Value)
			m.Value = w.out[at:end:end]
			at = end
		}
	}
	clear(old[:cap(old)])
}

// resetBuffers makes the worker's memory free for the next messages.
func (w *worker) resetBuffers() {
	w.releasePrepared()
	w.transform.Reset()
	clear(w.msgs)
	clear(w.letters)
	clear(w.rejects)
	w.msgs, w.parts = w.msgs[:0], w.parts[:0]
	w.letters, w.rejects = w.letters[:0], w.rejects[:0]
	w.again.reset()
	w.out = w.out[:0]
	w.admitted, w.aside = 0, 0
}
