package main

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// window is the messages that are published and not acknowledged, in order.
type window struct {
	size int
	ack  func(jetstream.Msg) error // of the source, after the sink's; nil for none
	all  []onWay
}

type onWay struct {
	future jetstream.PubAckFuture
	msg    jetstream.Msg
}

func newWindow(size int, ack func(jetstream.Msg) error) *window { return &window{size: size, ack: ack} }

// addFuture adds a message, and waits for the oldest one where there are too
// many.
func (w *window) addFuture(ctx context.Context, future jetstream.PubAckFuture, msg jetstream.Msg) error {
	w.all = append(w.all, onWay{future, msg})
	if len(w.all) < w.size {
		return nil
	}
	return w.settleOldest(ctx, len(w.all)/2)
}

func (w *window) settleAll(ctx context.Context) error { return w.settleOldest(ctx, len(w.all)) }

// settleOldest waits for the acknowledgements of the n oldest messages.
func (w *window) settleOldest(ctx context.Context, n int) error {
	for _, one := range w.all[:n] {
		select {
		case <-one.future.Ok():
		case err := <-one.future.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		if w.ack != nil {
			if err := w.ack(one.msg); err != nil {
				return err
			}
		}
	}
	w.all = append(w.all[:0], w.all[n:]...)
	return nil
}

// makeConsumer makes the consumer of a copy.
func (j *job) makeConsumer(
	ctx context.Context, js jetstream.JetStream, policy jetstream.AckPolicy,
) (jetstream.Consumer, error) {
	return js.CreateConsumer(ctx, j.from, jetstream.ConsumerConfig{
		Durable: j.consumer, AckPolicy: policy, MaxAckPending: 1 << 16,
	})
}

// copyAsUsual is the loop of the client's examples: Messages, explicit
// acknowledgements, PublishAsync. A message is acknowledged when the sink has
// it.
func copyAsUsual(ctx context.Context, js jetstream.JetStream, j *job) error {
	consumer, err := j.makeConsumer(ctx, js, jetstream.AckExplicitPolicy)
	if err != nil {
		return err
	}
	// Without a bound in bytes, large messages would drown the client.
	it, err := consumer.Messages(jetstream.PullMaxBytes(pendingBytes))
	if err != nil {
		return err
	}
	defer it.Stop()
	w := newWindow(j.countPending(), jetstream.Msg.Ack)
	for range j.messages {
		msg, err := it.Next(jetstream.NextMaxWait(patience))
		if err != nil {
			return err
		}
		future, err := js.PublishAsync(j.renameSubject(msg.Subject()), msg.Data())
		if err != nil {
			return err
		}
		if err := w.addFuture(ctx, future, msg); err != nil {
			return err
		}
	}
	if err := w.settleAll(ctx); err != nil {
		return err
	}
	return js.Conn().FlushWithContext(ctx)
}

// patience is how long a turn may last. The longest is about ten seconds on an
// idle machine.
const patience = 3 * time.Minute
