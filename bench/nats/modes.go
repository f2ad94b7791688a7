package main

import (
	"context"
	"strconv"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// copyInMode copies as streamcrypt does: a callback, one acknowledgement for
// many messages, ids, and one of the publish modes.
func copyInMode(ctx context.Context, js jetstream.JetStream, j *job) error {
	consumer, err := j.makeConsumer(ctx, js, jetstream.AckAllPolicy)
	if err != nil {
		return err
	}
	arrived := make(chan jetstream.Msg, j.countPending())
	consuming, err := consumer.Consume(func(msg jetstream.Msg) { arrived <- msg },
		jetstream.PullMaxBytes(max(1<<20, min(16*j.size, pendingBytes))))
	if err != nil {
		return err
	}
	defer consuming.Stop()
	switch j.mode {
	case batch:
		err = copyBatches(ctx, js, j, arrived)
	case fast:
		err = copyFast(ctx, js, j, arrived)
	default:
		err = copyAsync(ctx, js, j, arrived)
	}
	if err != nil {
		return err
	}
	return js.Conn().FlushWithContext(ctx)
}

// ackEvery is how many messages one acknowledgement is for.
const ackEvery = 500

// takeMessage returns the next message that has arrived.
func takeMessage(ctx context.Context, arrived <-chan jetstream.Msg) (jetstream.Msg, error) {
	select {
	case msg := <-arrived:
		return msg, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// newMessage returns the message to publish, under an id of its number.
func (j *job) newMessage(msg jetstream.Msg, number int) *natsgo.Msg {
	return &natsgo.Msg{
		Subject: j.renameSubject(msg.Subject()), Data: msg.Data(),
		Header: natsgo.Header{jetstream.MsgIDHeader: {j.to + "-" + strconv.Itoa(number)}},
	}
}

func copyAsync(ctx context.Context, js jetstream.JetStream, j *job, arrived <-chan jetstream.Msg) error {
	settled := 0
	w := newWindow(j.countPending(), func(msg jetstream.Msg) error {
		if settled++; settled%ackEvery == 0 || settled == j.messages {
			return msg.Ack()
		}
		return nil
	})
	for i := range j.messages {
		msg, err := takeMessage(ctx, arrived)
		if err != nil {
			return err
		}
		future, err := js.PublishMsgAsync(j.newMessage(msg, i))
		if err != nil {
			return err
		}
		if err := w.addFuture(ctx, future, msg); err != nil {
			return err
		}
	}
	return w.settleAll(ctx)
}

// copyBatches publishes atomic batches, one after the other.
func copyBatches(ctx context.Context, js jetstream.JetStream, j *job, arrived <-chan jetstream.Msg) error {
	most := max(1, min(ackEvery, pendingBytes/j.size))
	var msgs []*natsgo.Msg
	for i := range j.messages {
		msg, err := takeMessage(ctx, arrived)
		if err != nil {
			return err
		}
		if msgs = append(msgs, j.newMessage(msg, i)); len(msgs) < most && i < j.messages-1 {
			continue
		}
		if _, err := jetstreamext.PublishMsgBatch(ctx, js, msgs); err != nil {
			return err
		}
		msgs = msgs[:0]
		if err := msg.Ack(); err != nil {
			return err
		}
	}
	return nil
}

// copyFast publishes one batch without an end. The server acknowledges a few
// hundred messages of it at a time.
func copyFast(ctx context.Context, js jetstream.JetStream, j *job, arrived <-chan jetstream.Msg) error {
	p, err := jetstreamext.NewFastPublisher(js, jetstreamext.FastPublishFlowControl{
		Flow: uint16(max(1, min(100, pendingBytes/j.size/4))), AckTimeout: patience,
	})
	if err != nil {
		return err
	}
	var unsettled []jetstream.Msg // those behind settled
	settled := uint64(0)
	for i := range j.messages - 1 {
		msg, err := takeMessage(ctx, arrived)
		if err != nil {
			return err
		}
		unsettled = append(unsettled, msg)
		at, err := p.AddMsg(j.newMessage(msg, i))
		if err != nil {
			return err
		}
		if n := int(at.AckSequence - settled); n >= ackEvery || n > 0 && n == len(unsettled) {
			if err := unsettled[n-1].Ack(); err != nil {
				return err
			}
			unsettled, settled = append(unsettled[:0], unsettled[n:]...), at.AckSequence
		}
	}
	msg, err := takeMessage(ctx, arrived)
	if err != nil {
		return err
	}
	if _, err := p.CommitMsg(ctx, j.newMessage(msg, j.messages-1)); err != nil {
		return err
	}
	return msg.Ack()
}
