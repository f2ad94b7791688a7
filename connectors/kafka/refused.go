package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// isRefusal tells whether a broker's answer to a batch is about its records:
// none of them is stored, the sequence has not moved and the transaction is
// good. The batch may be sent again without the records at fault, with the same
// sequence.
func isRefusal(err error) bool {
	for _, code := range []kafkago.Error{
		kafkago.InvalidRecord, kafkago.InvalidTimestamp, kafkago.PolicyViolation,
		kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// isUnknown tells whether a batch may be stored although its request was
// answered with err.
func isUnknown(err error) bool {
	code, coded := errors.AsType[kafkago.Error](err)
	if !coded {
		return true
	}
	switch code {
	case kafkago.RequestTimedOut, kafkago.NetworkException, kafkago.NotEnoughReplicasAfterAppend,
		kafkago.KafkaStorageError:
		return true
	default:
		return false
	}
}

// errUnknownBefore is a refusal that may be of a batch which is stored: then
// the same sequence must not be used for other records.
var errUnknownBefore = fmt.Errorf("%w: refused after an unknown outcome", pipeline.ErrLost)

// reject makes a Reject of the error of a message that the topic does not take,
// or an error that parks its place if the topic is gone.
func (to *destination) reject(err error) error {
	if errors.Is(err, cluster.ErrNoTopic) {
		return pipeline.Passing(err)
	}
	reason := pipeline.ReasonRefused
	if errors.Is(err, kafkago.MessageSizeTooLarge) || errors.Is(err, kafkago.RecordListTooLarge) {
		reason = pipeline.ReasonTooLarge
	}
	return &pipeline.Reject{Reason: reason, Err: fmt.Errorf("%s: topic %s: %w", reason, to.Name(), err)}
}

// splitBatch finds the messages at fault of a batch that was refused, and
// writes the others. If the broker does not name the records at fault the batch
// is halved.
func (w *writer) splitBatch(ctx context.Context, msgs []pipeline.Message, r *refusedBatch) error {
	reject, list := r.outlet.to.reject(r.err), r.list
	if errors.Is(r.err, cluster.ErrNoTopic) {
		for _, i := range list {
			w.refusals.Refuse(int(i), msgs[i].Origin.Place, reject)
		}
		return nil
	}
	if w.sink.DeadLetters && !r.retimed && errors.Is(r.err, kafkago.InvalidTimestamp) {
		r.retimed = true
		return w.writeBatch(ctx, retimeLetters(msgs, list), r, list)
	}
	good := make([]int32, 0, len(list))
	for n, i := range list {
		if slices.Contains(r.named, int32(n)) {
			w.refusals.Refuse(int(i), msgs[i].Origin.Place, reject)
		} else {
			good = append(good, i)
		}
	}
	if len(good) < len(list) {
		return w.writeBatch(ctx, msgs, r, good)
	}
	if len(list) == 1 {
		w.refusals.Refuse(int(list[0]), msgs[list[0]].Origin.Place, reject)
		return nil
	}
	half := len(list) / 2
	if err := w.writeBatch(ctx, msgs, r, list[:half]); err != nil {
		return err
	}
	return w.writeBatch(ctx, msgs, r, list[half:])
}

// writeBatch writes one batch, by itself, of those messages of list that do not
// stand behind a refused one of their place.
func (w *writer) writeBatch(ctx context.Context, msgs []pipeline.Message, of *refusedBatch, list []int32) error {
	w.out, w.parcels = w.out[:0], w.parcels[:0]
	w.appender.Begin(w.out)
	taken := make([]int32, 0, len(list))
	for _, i := range list {
		if !w.refusals.LeaveBehind(int(i), msgs[i].Origin.Place) {
			w.appender.Append(&msgs[i])
			taken = append(taken, i)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	if err := w.finishParcel(of.outlet, of.partition, taken[0], 0); err != nil {
		return err
	}
	w.parcels[0].batch = w.out
	if err := w.sendRound(ctx); err != nil {
		return err
	}
	if p := &w.parcels[0]; p.refused != nil {
		return w.splitBatch(ctx, msgs, &refusedBatch{
			outlet: of.outlet, partition: of.partition, list: taken,
			named: p.named, err: p.refused, retimed: of.retimed,
		})
	}
	return nil
}

// retimeLetters returns the messages with the present time for those of list. A
// dead letter has the time of its message, and a topic may take none with such
// a time: mostly the message is refused for that very reason. The letter's
// origin says where the message stands, with its time.
func retimeLetters(msgs []pipeline.Message, list []int32) []pipeline.Message {
	msgs = slices.Clone(msgs)
	now := time.Now().Truncate(time.Millisecond)
	for _, i := range list {
		msgs[i].Time = now
	}
	return msgs
}

// refusedBatch is a batch of a round that the broker has refused.
type refusedBatch struct {
	outlet    *outlet
	partition int32
	list      []int32 // its messages
	named     []int32 // the indexes in list of the records at fault, if the broker says which
	err       error
	retimed   bool // its messages have the present time
}

// takeRefused collects the batches of the round that were refused.
func (w *writer) takeRefused() []refusedBatch {
	var found []refusedBatch
	for i := range w.parcels {
		p := &w.parcels[i]
		if p.refused == nil {
			continue
		}
		r := refusedBatch{outlet: p.outlet, partition: p.partition, named: p.named, err: p.refused}
		for at := p.first; len(r.list) < p.count; at = w.follows[at] {
			r.list = append(r.list, at)
		}
		found = append(found, r)
	}
	return found
}
