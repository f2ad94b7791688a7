package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// publishRound publishes the messages of w.todo until one fails, waits for the
// acknowledgements of those that it published, and leaves in w.todo those to be
// published again. Its error is final.
func (w *writer) publishRound(ctx context.Context, msgs []pipeline.Message) error {
	started := time.Now()
	w.failed, w.cause = w.failed[:0], nil
	defer w.dropOnWay()
	sent := 0
	for sent < len(w.todo) && w.cause == nil { // later messages must not overtake a failed one
		n, err := w.publishNext(ctx, msgs, w.todo[sent:])
		if err != nil {
			return err
		}
		sent += n
		if n == 0 && len(w.failed) > 0 {
			break
		}
	}
	if err := w.settleAll(ctx, msgs); err != nil {
		return err
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

// way is how messages are published.
type way int

const (
	singly   way = iota // without waiting for the one before
	inParts             // one message in an atomic batch of its own
	batched             // in an atomic batch
	fast                // in a fast batch
	compared            // with the last one stored, so after the one before
)

// chooseWay returns how the first messages of todo, which has some, are
// published, and which these are.
func (w *writer) chooseWay(msgs []pipeline.Message, todo []int) (way, []int) {
	m := &msgs[todo[0]]
	switch {
	case w.sink.needsParts(m):
		return inParts, todo[:1]
	case w.inBatches() && w.fitsBatch(m):
		return batched, w.cutBatch(msgs, todo)
	case w.isFenced():
		return compared, todo[:1]
	}
	if group := w.cutFast(msgs, todo); group != nil {
		return fast, group
	}
	return singly, todo[:1]
}

// publishNext publishes the first messages of todo, which has some, and returns
// how many it has dealt with: none once w.cause is set, and none where they
// have to be published in another way. Its error is final.
func (w *writer) publishNext(ctx context.Context, msgs []pipeline.Message, todo []int) (int, error) {
	index := todo[0]
	if w.refusals.LeaveBehind(index, msgs[index].Origin.Place) {
		return 1, nil
	}
	how, group := w.chooseWay(msgs, todo)
	if how == singly {
		return w.publishOne(ctx, msgs, index)
	}
	// Batches have no order among each other, and none with single messages,
	// but that each is stored before the next one begins.
	if err := w.settleAll(ctx, msgs); err != nil || w.cause != nil {
		return 0, err
	}
	if err := w.verifyDuplicates(ctx, msgs); err != nil || len(w.failed) > 0 {
		return 0, err
	}
	if err := w.checkOwner(); err != nil {
		return 0, err
	}
	switch how {
	case inParts:
		return w.publishParts(ctx, &msgs[index], index)
	case fast:
		return w.publishFast(ctx, msgs, group)
	case batched:
		return w.publishBatch(ctx, msgs, group)
	default:
		return w.publishCompared(ctx, msgs, index)
	}
}

// publishCompared publishes one message behind the fence, and waits for its
// acknowledgement.
func (w *writer) publishCompared(ctx context.Context, msgs []pipeline.Message, index int) (int, error) {
	if err := w.raiseFence(ctx); err != nil || w.cause != nil {
		return 0, err
	}
	n, err := w.publishOne(ctx, msgs, index)
	if err != nil || w.cause != nil {
		return n, err
	}
	return n, w.settleAll(ctx, msgs)
}

// publishOne sends one message as soon as there is room for it. It sends
// nothing once w.cause is set.
func (w *writer) publishOne(ctx context.Context, msgs []pipeline.Message, index int) (int, error) {
	m := &msgs[index]
	size := messageBytes(m)
	if err := w.takeRoom(ctx, msgs, size); err != nil || w.cause != nil {
		return 0, err
	}
	if err := w.checkOwner(); err != nil {
		w.sink.inFlight.giveRoom(size)
		return 0, err
	}
	msg := w.newMessage(m, index)
	w.fence.addTo(msg.Header)
	q, err := w.sendQuestion(msg)
	if err != nil {
		w.sink.inFlight.giveRoom(size)
		return 0, w.noteCause(err)
	}
	w.onWay = append(w.onWay, published{index: index, size: size, question: q})
	return 1, nil
}

// sendQuestion sends a message that is to be answered. The client has copied it
// when it returns.
func (w *writer) sendQuestion(msg *natsgo.Msg) (question, error) {
	q := w.beginQuestion(msg.Subject)
	msg.Reply = w.answers.prefix + strconv.FormatUint(q.number, 10)
	err := w.sink.conn.nc.PublishMsg(msg)
	return q, err
}

// beginQuestion returns a question that is sent now.
func (w *writer) beginQuestion(subject string) question {
	return question{
		number: w.answers.expectAnswer(), subject: subject, epoch: w.sink.conn.connectionCount(), sent: time.Now(),
	}
}

// settleAll waits for the acknowledgements of all messages on their way.
func (w *writer) settleAll(ctx context.Context, msgs []pipeline.Message) error {
	for w.first < len(w.onWay) {
		if err := w.settleOldest(ctx, msgs); err != nil {
			return err
		}
	}
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
	is, err := w.answers.awaitAnswer(ctx, p.question)
	if err != nil {
		return err
	}
	w.answers.forgetUpTo(p.number)
	w.first++
	w.sink.inFlight.giveRoom(p.size)
	err = is.err
	switch ack := is.ack; {
	case err != nil:
	case is.persisted:
		err = jetstream.ErrInvalidJSAck
	case ack.stream != w.sink.Stream:
		err = fmt.Errorf("stream %s has taken a message that was meant for %s", ack.stream, w.sink.Stream)
	case ack.duplicate && ack.sequence == 0:
		err = errBatchUnderWay
	case ack.duplicate:
		w.duplicates = append(w.duplicates, duplicate{index: p.index, sequence: ack.sequence})
	case ack.sequence == 0:
		err = jetstream.ErrInvalidJSAck // the message is nowhere
	default:
		w.stored[p.index] = ack.sequence
		w.fence.pass(ack.sequence)
	}
	if reject := w.sink.rejectOf(err); reject != nil {
		w.refusals.Refuse(p.index, msgs[p.index].Origin.Place, reject)
		return nil
	}
	if err != nil {
		w.failed = append(w.failed, p.index)
	}
	return w.noteCause(w.fence.explain(err))
}

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
	if n := len(w.onWay); n > 0 {
		w.answers.forgetUpTo(w.onWay[n-1].number)
	}
	w.onWay, w.first = w.onWay[:0], 0
	w.duplicates = w.duplicates[:0]
}
