package pipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// worker is the memory and the turn of one batch in flight.
//
// The batch in hand stays as it was read, for dead letters and for whoever lent it: what changes are
// the copies in msgs, whose values lie in out one after the other.
type worker struct {
	*engine
	transform Transform
	out       []byte // the values of msgs; reused, and cleared when the run ends
	msgs      []Message
	from      []int   // msgs[i] was message from[i] of the batch
	of        []int32 // msgs[i] is of place of[i]
	aside     int     // bytes that null values may have made the transform keep elsewhere
	rejects   []pendingLetter
	letters   []Message

	job
	admitted int   // msgs that the gate has let through
	mine     bool  // it is our turn
	over     error // our turn has come and the lane has ended
	places   batchPlaces
}

// messageSize is what a Message takes besides its bytes.
var messageSize = int(reflect.TypeFor[Message]().Size())

// Options.Budget tells how a budget is divided.
func (w *worker) maxOut() int      { return w.Budget / 8 * 3 }
func (w *worker) maxMessages() int { return w.Budget / 8 / messageSize }

func (w *worker) runJobs() {
	for j := range w.jobs {
		w.job, w.mine, w.over = j, false, nil
		w.settleBatch()
		w.job = job{}
	}
	clear(w.out[:cap(w.out)])
}

// settleBatch takes the batch in hand from the transform to the commit.
func (w *worker) settleBatch() {
	stop, err := w.transformBatch()
	w.finishBatch(stop, err)
	w.resetBuffers()
	w.places.reset()
	w.batch.release()
	w.serving.turn.endTurn()
}

// transformBatch transforms the batch. It returns the index of the message that ended it and why, or the length
// of the batch and nil.
func (w *worker) transformBatch() (int, error) {
	ctx := w.serving.reading
	for i := range w.batch.Messages {
		select {
		case <-ctx.Done():
			return i, context.Cause(ctx)
		default:
		}
		in := &w.batch.Messages[i]
		need := w.transform.Bound(in)
		place := w.places.find(in.Origin.Place)
		count := &w.places.counts[place]
		count.Read++
		count.BytesIn += int64(len(in.Key) + len(in.Value))
		if need > w.maxOut() {
			if err := w.rejectMessage(i, tooLarge(need, w.maxOut())); err != nil {
				return i, err
			}
			continue
		}
		if !w.reserveRoom(need) {
			if stop, err := w.writePart(i); err != nil {
				return stop, err
			}
			w.reserveRoom(need)
		}
		if err := w.appendMessage(ctx, i, place, need); err != nil {
			if err = w.refuseMessage(i, err); err != nil {
				return i, err
			}
		}
	}
	return len(w.batch.Messages), nil
}

// appendMessage transforms message i of the batch into out and msgs, or leaves both as they are.
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
	w.from, w.of = append(w.from, i), append(w.of, place)
	if m.Value == nil {
		w.aside += need // what a transform makes of a null value it keeps in memory of its own
		return nil
	}
	m.Value = out[at:len(out):len(out)]
	w.out = out
	return nil
}

// refuseMessage decides about message i of the batch, for which the transform or the gate returned err. It
// returns an error if the lane cannot go on.
func (w *worker) refuseMessage(i int, err error) error {
	if errors.Is(err, Skip) {
		return nil
	}
	var r *Reject
	if errors.As(err, &r) {
		return w.rejectMessage(i, r)
	}
	return &MessageError{Origin: w.batch.Messages[i].Origin, Err: err}
}

// rejectMessage sets message i of the batch aside for the dead letters.
func (w *worker) rejectMessage(i int, r *Reject) error {
	if w.DeadLetters == nil {
		return &MessageError{Origin: w.batch.Messages[i].Origin, Err: r}
	}
	w.rejects = append(w.rejects, pendingLetter{index: i, err: r})
	return nil
}

func tooLarge(need, limit int) *Reject {
	return &Reject{Reason: ReasonTooLarge, Err: fmt.Errorf("too-large: may need %d bytes of %d", need, limit)}
}

// reserveRoom makes room for one message of need bytes, and reports whether there is any before a flush.
func (w *worker) reserveRoom(need int) bool {
	switch {
	case len(w.msgs)+len(w.rejects) >= w.maxMessages():
		return false
	case w.aside == 0 && w.out != nil && need <= cap(w.out)-len(w.out):
		return true
	case need > w.maxOut()-len(w.out)-w.aside:
		return false
	}
	if w.out == nil || need > cap(w.out)-len(w.out) {
		w.growBuffer(need)
	}
	return true
}

// minOut keeps small batches from growing the buffer in small steps.
const minOut = 16 << 10

// growBuffer moves out, and the values in it, to a buffer with room for need more bytes.
func (w *worker) growBuffer(need int) {
	size := min(w.maxOut(), max(minOut, 2*cap(w.out), len(w.out)+need))
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
