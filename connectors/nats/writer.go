package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
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
	todo  []int // indices of the messages to publish, in order

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
	index  int // into the messages of Write
	size   int
	future jetstream.PubAckFuture
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
	w.tries = nil
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

// findOvertaken leaves in w.todo the messages that the stream stored before one
// that comes before them, and tells whether there are any. Their
// acknowledgements were lost, or a writer that was killed had published them
// and not what comes before. Where the stream keeps last values, an old value
// would now be the present one: they are published once more, under other ids.
func (w *writer) findOvertaken(msgs []pipeline.Message) bool {
	if !w.sink.KeepsLastValues() {
		return false
	}
	w.todo = w.todo[:0]
	highest := w.highest
	for i := range msgs {
		switch sequence := w.stored[i]; {
		case sequence == 0:
		case sequence < highest, len(w.todo) > 0: // all that comes behind it must be stored behind it
			w.todo = append(w.todo, i)
			w.countTry(i)
		default:
			highest = sequence
		}
	}
	if len(w.todo) > 0 {
		return true // and compared with the same message again
	}
	w.highest = highest
	return false
}

// findPurged leaves in w.todo the messages that a rollup before them has
// purged, and tells whether there are any: the rollup was published again, and
// the stream stored it behind them.
func (w *writer) findPurged(msgs []pipeline.Message) bool {
	hasRollup := func(m pipeline.Message) bool { return rollupOf(&m) != "" }
	if !w.sink.stream.Config.AllowRollup || w.sink.IDs.DeadLetters || !slices.ContainsFunc(msgs, hasRollup) {
		return false
	}
	w.todo = w.todo[:0]
	var all uint64                  // the sequence of the last rollup of the stream
	subjects := map[string]uint64{} // of a subject
	for i := range msgs {
		sequence := w.stored[i]
		if sequence == 0 {
			continue
		}
		subject := w.sink.subjectOf(&msgs[i])
		if sequence < max(all, subjects[subject]) {
			w.todo = append(w.todo, i)
			w.countTry(i)
		}
		switch rollupOf(&msgs[i]) {
		case rollupSubject:
			subjects[subject] = max(subjects[subject], sequence)
		case rollupAll:
			all = max(all, sequence)
		}
	}
	return len(w.todo) > 0
}

// countTry gives message i of a Write another id.
func (w *writer) countTry(i int) {
	if w.tries == nil {
		w.tries = map[int]uint32{}
	}
	w.tries[i]++
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

// Close has nothing to do: every Write is durable when it returns.
func (w *writer) Close(context.Context) error { return nil }

// publishRound publishes the messages of w.todo until one fails, waits for the
// acknowledgements of those that it published, and leaves in w.todo those to be
// published again. Its error is final.
func (w *writer) publishRound(ctx context.Context, msgs []pipeline.Message) error {
	started := time.Now()
	w.failed, w.cause = w.failed[:0], nil
	defer w.dropOnWay()
	sent := 0
	for _, i := range w.todo {
		if w.refusals.LeaveBehind(i, msgs[i].Origin.Place) {
			sent++
			continue
		}
		if err := w.publishOne(ctx, msgs, i); err != nil {
			return err
		}
		if w.cause != nil {
			break // later messages must not overtake the failed one
		}
		sent++
	}
	for w.first < len(w.onWay) {
		if err := w.settleOldest(ctx, msgs); err != nil {
			return err
		}
	}
	if err := w.verifyDuplicates(ctx, msgs); err != nil {
		return err
	}
	w.failed = append(w.failed, w.todo[sent:]...)
	w.todo, w.failed = w.failed, w.todo
	if errors.Is(w.cause, jetstream.ErrAsyncPublishTimeout) {
		return w.sink.conn.deniedSince(started)
	}
	return nil
}

// publishOne sends one message as soon as there is room for it. It sends
// nothing once w.cause is set.
func (w *writer) publishOne(ctx context.Context, msgs []pipeline.Message, index int) error {
	m := &msgs[index]
	size := len(m.Value) + headerBytes(m)
	if err := w.takeRoom(ctx, msgs, size); err != nil || w.cause != nil {
		return err
	}
	if err := w.checkOwner(); err != nil {
		w.sink.inFlight.giveRoom(size)
		return err
	}
	msg := w.newMessage(m, index)
	// The library must not publish again by itself: by then the value may be
	// another message's.
	future, err := w.sink.conn.js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0))
	msg.Data = nil // sent or copied; the future would pin it until the acknowledgement
	if err != nil {
		w.sink.inFlight.giveRoom(size)
		return w.noteCause(err)
	}
	w.onWay = append(w.onWay, published{index: index, size: size, future: future})
	return nil
}

// takeRoom takes room for size bytes unless w.cause gets set before there is
// any.
func (w *writer) takeRoom(ctx context.Context, msgs []pipeline.Message, size int) error {
	for {
		ok, freed := w.sink.inFlight.takeRoom(size)
		if ok {
			return nil
		}
		var err error
		if w.first < len(w.onWay) {
			err = w.settleOldest(ctx, msgs)
		} else {
			err = w.sink.inFlight.awaitRoom(ctx, freed)
		}
		if err != nil || w.cause != nil {
			return err
		}
	}
}

// settleOldest waits for the acknowledgement of the oldest message on its way.
func (w *writer) settleOldest(ctx context.Context, msgs []pipeline.Message) error {
	p := w.onWay[w.first]
	var err error
	select {
	case ack := <-p.future.Ok():
		switch {
		case ack.Stream != w.sink.Stream:
			err = fmt.Errorf("stream %s has taken a message that was meant for %s", ack.Stream, w.sink.Stream)
		case ack.Duplicate && ack.Sequence == 0:
			err = errBatchUnderWay
		case ack.Duplicate:
			w.duplicates = append(w.duplicates, duplicate{index: p.index, sequence: ack.Sequence})
		default:
			w.stored[p.index] = ack.Sequence
		}
	case err = <-p.future.Err():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	w.first++
	w.sink.inFlight.giveRoom(p.size)
	if reject := w.sink.rejectOf(err); reject != nil {
		w.refusals.Refuse(p.index, msgs[p.index].Origin.Place, reject)
		return nil
	}
	if err != nil {
		w.failed = append(w.failed, p.index)
	}
	return w.noteCause(err)
}

// rejectOf returns the Reject of a message that the server does not take, and
// nil for all other errors.
func (s *Sink) rejectOf(err error) *pipeline.Reject {
	var api *jetstream.APIError
	if !errors.As(err, &api) || api.ErrorCode != errMessageSize && api.ErrorCode != errHeaderSize {
		return nil
	}
	return &pipeline.Reject{Reason: pipeline.ReasonTooLarge, Err: fmt.Errorf("too-large: stream %s: %w", s.Stream, err)}
}

// Codes of the server for a message that it will never take as it is.
const (
	errMessageSize jetstream.ErrorCode = 10054 // above the stream's max_msg_size
	errHeaderSize  jetstream.ErrorCode = 10097 // headers above 64 KiB
)

// noteCause keeps err as the cause of another round if it may pass, and returns
// it if it is final.
func (w *writer) noteCause(err error) error {
	if err != nil && !isTransient(err) {
		return err
	}
	if w.cause == nil {
		w.cause = err
	}
	return nil
}

// dropOnWay forgets the messages on their way after an error. Their
// acknowledgements find nobody.
func (w *writer) dropOnWay() {
	for _, p := range w.onWay[w.first:] {
		w.sink.inFlight.giveRoom(p.size)
	}
	clear(w.onWay)
	w.onWay, w.first = w.onWay[:0], 0
	w.duplicates = w.duplicates[:0]
}

// newMessage returns the message to publish for message index of a Write. It
// borrows m.Value.
func (w *writer) newMessage(m *pipeline.Message, index int) *natsgo.Msg {
	headers := encodeHeaders(m)
	w.sink.applyEffects(headers, m)
	headers[jetstream.MsgIDHeader] = []string{w.idOf(m, index)}
	return &natsgo.Msg{Subject: w.sink.subjectOf(m), Header: headers, Data: m.Value}
}

// idOf returns the id under which message index of a Write is published.
func (w *writer) idOf(m *pipeline.Message, index int) string {
	if id := w.sink.producerID(m); id != "" && w.tries[index] == 0 {
		return id
	}
	return w.ids.makeID(m.Origin, w.sink.subjectOf(m), w.tries[index])
}

// isTransient tells whether an error of a publish may pass: the connection is
// down, the stream has no leader, no room or no time. Others would come again
// with every attempt.
func isTransient(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code >= 500 || api.Code == 408 || api.Code == 429
	}
	for _, passing := range []error{
		natsgo.ErrDisconnected, natsgo.ErrConnectionReconnecting, natsgo.ErrReconnectBufExceeded,
		natsgo.ErrTimeout, natsgo.ErrNoResponders, natsgo.ErrStaleConnection,
		jetstream.ErrNoStreamResponse, jetstream.ErrAsyncPublishTimeout, jetstream.ErrTooManyStalledMsgs,
		errBatchUnderWay,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network)
}
