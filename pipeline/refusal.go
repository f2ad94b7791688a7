package pipeline

import (
	"bytes"
	"errors"
	"fmt"
)

// refusal is the state of a part while the sink refuses messages of it. Before
// the first refusal it is only the messages that are to be written.
type refusal struct {
	msgs  []Message // of the next Write
	index []int     // msgs[i] is message index[i] of the part
	fates []fate    // of all messages of the part; empty before a refusal
	room  []Message // memory of msgs
}

// fate is the outcome for one message of a part.
type fate uint8

const (
	pending    fate = iota // to be written
	written                // by the sink
	refused                // a dead letter, or the stop of its place
	leftBehind             // behind the stop of its place
)

func (r *refusal) reset() {
	clear(r.room)
	r.msgs, r.index, r.fates, r.room = nil, r.index[:0], r.fates[:0], r.room[:0]
}

// endsWritten tells whether message i of a part has been written, at the end of
// the part: the last Write has written all that were pending.
func (r *refusal) endsWritten(i int) bool {
	if len(r.fates) == 0 {
		return true
	}
	if r.fates[i] == pending {
		r.fates[i] = written
	}
	return r.fates[i] == written
}

// errUndo ends a lane when its transaction holds messages behind a stop.
var errUndo = errors.New("a message behind the stop of its place was written: the transaction is taken back")

// takeRefusal acts on a Write that has written only a part of its messages. The
// refused ones become dead letters or stop their places, and the next Write
// gets those that were left.
func (w *worker) takeRefusal(r *Refused) error {
	if err := w.noteFates(r); err != nil {
		return err
	}
	w.refusing = true
	for _, m := range r.Messages {
		i := w.again.index[m.Index]
		w.again.fates[i] = refused
		w.refuseMessage(w.parts[i].index, w.parts[i].place, m.Err)
	}
	if err := w.brakePlaces(); err != nil {
		return err
	}
	behind := w.passOver()
	if err := w.rewindGates(); err != nil {
		return err
	}
	if behind && r.Undoable {
		return fmt.Errorf("%w: %w", ErrLost, errUndo)
	}
	return nil
}

// noteFates notes which messages of the last Write have been written. The error
// is a fault of the sink.
func (w *worker) noteFates(r *Refused) error {
	a := &w.again
	if len(a.fates) == 0 {
		for i := range w.msgs {
			a.fates = append(a.fates, pending)
			a.index = append(a.index, i)
		}
	}
	left, named := r.Left, r.Messages
	if len(named) == 0 {
		return r
	}
	for i := range a.msgs {
		switch {
		case len(left) > 0 && left[0] == i:
			left = left[1:]
		case len(named) > 0 && named[0].Index == i:
			if errors.Is(named[0].Err, Skip) || named[0].Err == nil {
				return fmt.Errorf("sink refused message %d without a reason", i)
			}
			named = named[1:]
		default:
			a.fates[a.index[i]] = written
		}
	}
	if len(left)+len(named) > 0 {
		return errors.New("sink refused messages that it was not given, or in no order")
	}
	return nil
}

// passOver collects the messages of the part that are to be written next: those
// that were left and do not stand behind the stop of their place. It reports
// whether some message or dead letter behind such a stop has been written.
func (w *worker) passOver() (behind bool) {
	a := &w.again
	w.cutRejects()
	for _, r := range w.rejects {
		behind = behind || r.index >= w.places.stands[r.place].stop
	}
	a.room, a.index = a.room[:0], a.index[:0]
	for i := range w.msgs {
		beyond := w.parts[i].index >= w.places.stands[w.parts[i].place].stop
		switch {
		case a.fates[i] == written:
			behind = behind || beyond
		case a.fates[i] != pending:
		case beyond:
			a.fates[i] = leftBehind
		default:
			a.room, a.index = append(a.room, w.msgs[i]), append(a.index, i)
		}
	}
	a.msgs = a.room
	return behind
}

// rewindGates makes the gates of the places that stop within the part forget
// the messages that they have admitted from the stop on.
func (w *worker) rewindGates() error {
	if w.NewGate == nil {
		return nil
	}
	for n := range w.places.stands {
		p := &w.places.stands[n]
		if p.lane == nil || p.stop == goesOn || p.noted <= p.stop && !w.admittedFrom(int32(n), p.stop) {
			continue
		}
		state := bytes.Clone(p.lane.saved)
		if len(state) == 0 {
			state = nil
		}
		if err := w.serving.places.openGate(p.lane, state); err != nil {
			return err
		}
		w.noteAgain(int32(n))
		for i := range w.msgs {
			if w.parts[i].place == int32(n) && w.parts[i].index < p.stop {
				if err := p.lane.gate.Admit(&w.msgs[i]); err != nil {
					err = fmt.Errorf("gate: admitted before, and not again: %w", err)
					return &MessageError{Origin: w.msgs[i].Origin, Err: err}
				}
			}
		}
	}
	return nil
}

// admittedFrom tells whether the part has a message of a place at or behind a
// stop.
func (w *worker) admittedFrom(place int32, stop int) bool {
	for i := len(w.msgs) - 1; i >= 0; i-- {
		if w.parts[i].place == place {
			return w.parts[i].index >= stop
		}
	}
	return false
}
