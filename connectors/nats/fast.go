package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Fast batches (NATS 2.14). The number of a message in its batch stands in its
// reply subject, and the server stores each message as it comes. It answers the
// last one only, with the number of messages and the sequence of the last.
// Its words in between are for publishers that do not bound messages in flight.
//
//	INBOX.BATCH.FLOW.GAP.NUMBER.OPERATION.$FI
//
// It counts a duplicate as stored and says nothing. So only messages go in a
// fast batch that were never delivered before: nobody has published them. And
// the answer is not enough: the first and the last message must lie where they
// do if none in between was dropped. If not, or after any other failure, all of
// them are published message by message, and the stream names the duplicates.
const (
	// leastFast is the smallest batch that is worth the look at its ends: the
	// server sends both messages whole, as JSON.
	leastFast = 64
	// fastFlow asks for as few words in between as the server takes.
	fastFlow = 65535

	fastStart  = 0
	fastAppend = 1
	fastCommit = 2
	fastSuffix = ".$FI"
	// flowAnswer begins the server's words in between.
	flowAnswer = `{"type":`
)

// deliveryTeller is a lane that knows which of its messages are new.
type deliveryTeller interface {
	// IsFirstDelivery tells whether a message was never delivered before, to
	// this process or another one.
	IsFirstDelivery(m *pipeline.Message) bool
}

// IsFirstDelivery implements deliveryTeller: the message lies behind all that
// the consumer had delivered when this lane began. Only the owner of a lease
// can tell.
func (l *lane) IsFirstDelivery(m *pipeline.Message) bool {
	return l.source.lease != nil && m.Origin.Place == l.source.Stream && uint64(m.Origin.Offset) > l.firstNew
}

// cutFast returns the first messages of todo that may go in one fast batch;
// none if they are too few.
func (w *writer) cutFast(msgs []pipeline.Message, todo []int) []int {
	if w.perMessage || w.news == nil || !w.sink.fast.Load() || w.sink.believes.Load() || w.sink.IDs.DeadLetters {
		return nil
	}
	size := 0
	for n, i := range todo {
		m := &msgs[i]
		size += messageBytes(m)
		if n >= w.sink.InFlight || n > 0 && size > w.sink.InFlightBytes || !w.isNew(m) ||
			w.tries[i] > 0 || w.refusals.IsBehind(i, m.Origin.Place) || w.sink.needsParts(m) {
			todo = todo[:n]
			break
		}
	}
	if len(todo) < leastFast {
		return nil
	}
	return todo
}

// isNew tells whether nobody can have published a message under its id.
func (w *writer) isNew(m *pipeline.Message) bool {
	return w.news.IsFirstDelivery(m) && w.ids.isPlaced(&m.Origin) && w.sink.producerID(m) == ""
}

// publishFast publishes messages as one fast batch, and returns how many it has
// dealt with: all or none. Its error is final.
func (w *writer) publishFast(ctx context.Context, msgs []pipeline.Message, group []int) (int, error) {
	last, err := w.commitFast(ctx, msgs, group)
	if err == nil {
		err = w.checkEnds(ctx, msgs, group, last)
	}
	if err == nil {
		for n, i := range group {
			w.stored[i] = last - uint64(len(group)-1-n)
		}
		return len(group), nil
	}
	var api *jetstream.APIError
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case errors.Is(err, pipeline.ErrLost):
		return 0, err
	case errors.As(err, &api):
		w.sink.noteBatchError(err, len(group))
	case isTransient(err):
		w.cause = err
	}
	w.perMessage = true // some of them may be stored
	return 0, nil
}

// commitFast publishes a fast batch and returns the sequence of its last
// message.
func (w *writer) commitFast(ctx context.Context, msgs []pipeline.Message, group []int) (uint64, error) {
	size := groupBytes(msgs, group)
	if err := w.takeBatchRoom(ctx, len(group), size); err != nil {
		return 0, err
	}
	defer w.sink.inFlight.giveRoomOf(len(group), size)
	defer w.answers.forgetAll()
	q := w.beginQuestion(w.sink.subjectOf(&msgs[group[len(group)-1]]))
	id := w.fastName + "-" + strconv.FormatUint(q.number, 10)
	begin := w.answers.prefix + id + "." + strconv.Itoa(fastFlow) + ".fail."
	for n, i := range group {
		if err := w.checkOwner(); err != nil {
			return 0, err
		}
		operation := fastAppend
		switch n {
		case len(group) - 1:
			operation = fastCommit
		case 0:
			operation = fastStart
		}
		msg := w.newMessage(&msgs[i], i)
		msg.Reply = begin + strconv.Itoa(n+1) + "." + strconv.Itoa(operation) + fastSuffix
		if err := w.sink.conn.nc.PublishMsg(msg); err != nil {
			return 0, err
		}
	}
	is, err := w.answers.awaitAnswer(ctx, q)
	if err == nil {
		err = is.err
	}
	if err == nil {
		err = w.checkBatchAck(is, id, len(group))
	}
	return is.ack.sequence, err
}

// checkEnds returns errBatchAnswer unless the first and the last message of a
// batch are where they must be.
func (w *writer) checkEnds(ctx context.Context, msgs []pipeline.Message, group []int, last uint64) error {
	var found [2]error
	var both sync.WaitGroup // the batch behind this one waits for the answers
	for i, n := range []int{0, len(group) - 1} {
		sequence := last - uint64(len(group)-1-n)
		id := w.idOf(&msgs[group[n]], group[n])
		both.Go(func() {
			ours, err := w.sink.holdsID(ctx, sequence, id)
			if err == nil && (!ours || w.sink.believes.Load()) {
				err = fmt.Errorf("%w: message %d of %d is not at %d", errBatchAnswer, n+1, len(group), sequence)
			}
			found[i] = err
		})
	}
	both.Wait()
	return cmp.Or(found[0], found[1])
}

var _ deliveryTeller = (*lane)(nil)
