package nats

import (
	"context"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// pauses are the waits before messages that were not acknowledged are published
// again.
var pauses = retry.Policy{First: 50 * time.Millisecond, Longest: 5 * time.Second}

const (
	// ackTimeout is how long an acknowledgement may take before the message is
	// published again.
	ackTimeout = 15 * time.Second
)

// writer publishes one lane's messages.
type writer struct {
	sink  *Sink
	owner owner // nil if its lane has no owner that could change
	ids   *idMaker
	fence *fence // nil where none is needed
	todo  []int  // indices of the messages to publish, in order

	message natsgo.Msg // the last one of newMessage
	id      [1]string  // of it

	answers    *answers
	news       deliveryTeller // nil if its lane cannot tell which messages are new
	fastName   string         // begins the names of fast batches
	perMessage bool           // of one Write: a batch was refused, so no other one is tried

	// Of the round under way:
	onWay  []published // in order; those before first are acknowledged or failed
	first  int
	failed []int // indices of the messages to publish again, in order
	cause  error // why they failed, or why publishing stopped; it may pass

	duplicates []duplicate    // of this round: the stream says that it has them
	tries      map[int]uint32 // of one Write: how many ids of a message were somebody else's; nil for none

	refusals pipeline.RefusalSet // of one Write

	stored  []uint64 // the sequences of the messages of a Write; 0 for none
	highest uint64   // of all that was written, of a stream that keeps last values
}

// owner is a lane that one process at a time may write for.
type owner interface {
	// CheckOwner returns an error that matches pipeline.ErrLost if this process
	// is not the one.
	CheckOwner() error
}

// checkOwner tells whether this process may still publish.
func (w *writer) checkOwner() error {
	if w.owner == nil {
		return nil
	}
	return w.owner.CheckOwner()
}

// published is a message that is not acknowledged yet.
type published struct {
	index int // into the messages of Write
	size  int
	question
}

// Write publishes msgs in order and returns when the stream has acknowledged
// all of them. While the stream cannot be reached, or has no room, it tries
// again until ctx is done.
//
// Messages that Check or the server refuses are refused one by one. When the
// server does so, messages behind may be stored already: if their place is
// parked they are published again, and the stream drops them by their ids.
func (w *writer) Write(ctx context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
	w.todo = w.todo[:0]
	w.tries, w.perMessage = nil, false
	w.ids.forgetRandom()
	w.refusals.Reset()
	for i := range msgs {
		place := msgs[i].Origin.Place
		if w.refusals.LeaveBehind(i, place) {
			continue
		}
		if err := w.sink.Check(&msgs[i], len(msgs[i].Value)); err != nil {
			w.refusals.Refuse(i, place, err)
			continue
		}
		w.todo = append(w.todo, i)
	}
	w.stored = append(w.stored[:0], make([]uint64, len(msgs))...)
	for again := true; again; {
		if err := w.publishAll(ctx, msgs); err != nil {
			return err
		}
		again = w.findOvertaken(msgs) || w.findPurged(msgs)
	}
	return w.refusals.Result(false)
}

// publishAll publishes the messages of w.todo, in one round after the other.
func (w *writer) publishAll(ctx context.Context, msgs []pipeline.Message) error {
	waits := pauses.Begin()
	for len(w.todo) > 0 {
		before := len(w.todo)
		if err := w.checkOwner(); err != nil {
			return err
		}
		if err := w.publishRound(ctx, msgs); err != nil {
			return fmt.Errorf("stream %s: %w", w.sink.Stream, err)
		}
		if len(w.todo) == 0 {
			break
		}
		if len(w.todo) < before {
			waits.Reset()
		}
		if w.cause == nil {
			continue // under other ids, at once
		}
		if tries := waits.Tries(); tries&(tries-1) == 0 { // 0, 1, 2, 4, 8 ...
			w.sink.Log.Warn("nats publish not acknowledged, trying again",
				"stream", w.sink.Stream, "messages", len(w.todo), "error", w.cause)
		}
		if w.sink.Observer != nil {
			w.sink.Observer.RetryPublish(len(w.todo), w.cause)
		}
		if err := waits.Wait(ctx); err != nil {
			return fmt.Errorf("stream %s: %w (%w)", w.sink.Stream, w.cause, err)
		}
	}
	return nil
}

// Close has nothing to write: every Write is durable when it returns.
func (w *writer) Close(context.Context) error {
	w.answers.closeInbox()
	return nil
}

// newMessage returns the message to publish for message index of a Write. It
// borrows m.Value, and is valid until the next call: the client has copied a
// message when Publish returns.
func (w *writer) newMessage(m *pipeline.Message, index int) *natsgo.Msg {
	headers := w.message.Header
	if headers == nil {
		headers = natsgo.Header{}
	}
	clear(headers)
	fillHeaders(headers, m)
	w.sink.applyEffects(headers, m)
	w.id[0] = w.idOf(m, index)
	headers[jetstream.MsgIDHeader] = w.id[:]
	w.message = natsgo.Msg{Subject: w.sink.subjectOf(m), Header: headers, Data: m.Value}
	return &w.message
}

// idOf returns the id under which message index of a Write is published.
func (w *writer) idOf(m *pipeline.Message, index int) string {
	if id := w.sink.producerID(m); id != "" && w.tries[index] == 0 {
		return id
	}
	if !w.ids.isPlaced(&m.Origin) {
		return w.ids.randomID(index, w.tries[index])
	}
	return w.ids.makeID(m.Origin, w.sink.subjectOf(m), w.tries[index])
}
