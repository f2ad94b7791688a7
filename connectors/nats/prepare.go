package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// prepare waits for the lease, and makes the consumer ready for a lane. Its
// error is that of ctx, or one that parks the stream.
func (s *Source) prepare(ctx context.Context) error {
	if s.lease != nil && s.lease.checkOwner() != nil {
		s.lease.drop()
		if err := s.lease.acquire(ctx); err != nil {
			return err
		}
		s.readLease()
		s.saveStart()
	}
	for first := true; ; first = false {
		started := time.Now()
		err := s.prepareConsumer(ctx)
		if denied := s.conn.explainStream(started, s.Stream, err); isDenied(denied) {
			err = fmt.Errorf("nats stream %s, consumer %s: %w", s.Stream, s.config.Name, denied)
		}
		if err == nil || ctx.Err() != nil || s.isFinal(err) {
			return err
		}
		if first {
			s.Log.Warn("nats consumer not ready, trying again",
				"stream", s.Stream, "consumer", s.config.Name, "error", err)
		}
		if err := retry.Sleep(ctx, lookAgain); err != nil {
			return err
		}
	}
}

// ErrStreamMadeAnew is the error of a stream that was deleted and made anew:
// its sequences name other messages than before.
var ErrStreamMadeAnew = errors.New("the stream was deleted and made anew since this process opened it")

// ErrLostTail is the error of a consumer that has acknowledged messages which
// the stream has lost, and that no reset can take back: it would pass over new
// messages until the stream is as long as it was.
var ErrLostTail = errors.New("the stream lost its tail, and its consumer would skip what has those sequences now")

// isFinal tells whether an error of prepareConsumer is for the operator.
func (s *Source) isFinal(err error) bool {
	return isDenied(err) || errors.Is(err, ErrStreamMadeAnew) || errors.Is(err, ErrLostTail) ||
		errors.Is(err, ErrConsumerDiffers) ||
		errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound)
}

// prepareConsumer finds the consumer, makes it anew if it was deleted, and has
// the server begin behind the last message that is acknowledged.
func (s *Source) prepareConsumer(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	stream, err := s.conn.js.Stream(asking, s.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return pipeline.Passing(fmt.Errorf("nats stream %s: %w", s.Stream, err))
	case err != nil:
		return fmt.Errorf("nats stream %s: %w", s.Stream, err)
	case !stream.CachedInfo().Created.Equal(s.created):
		return fmt.Errorf("nats stream %s: %w", s.Stream, ErrStreamMadeAnew)
	}
	consumer, made, err := s.findConsumer(asking, stream)
	if err != nil {
		return fmt.Errorf("nats stream %s, consumer %s: %w", s.Stream, s.config.Name, err)
	}
	info := consumer.CachedInfo()
	if max(info.AckFloor.Stream, info.Delivered.Stream) > stream.CachedInfo().State.LastSeq {
		// Messages may have come and been delivered since the stream was asked.
		if _, err := stream.Info(asking); err != nil {
			return fmt.Errorf("nats stream %s: %w", s.Stream, err)
		}
	}
	s.config, s.number, s.expected = info.Config, info.Delivered.Consumer, nil
	s.firstNew = max(s.firstNew, info.Delivered.Stream) // a reset takes that back
	s.notePause(info)
	s.bindStart(info.Created.UnixNano(), made)
	s.noteLostState(ctx, stream.CachedInfo(), info)
	s.noteLostTail(stream.CachedInfo(), info)
	defer func() { s.tellLosses(stream.CachedInfo().State.FirstSeq) }()
	if s.Shared {
		return nil
	}
	if err := s.checkTail(stream.CachedInfo().State.LastSeq, info); err != nil {
		return err
	}
	switch {
	case s.conn.canReset():
		return s.goBack(asking, stream, info)
	case info.NumAckPending > 0:
		// Of the last owner, or of this process and lost with a connection.
		if err := s.orderRedelivered(ctx, stream); err != nil {
			return err
		}
	}
	s.noteFloor(info.AckFloor.Stream, stream.CachedInfo().State.LastSeq)
	return nil
}

// findConsumer finds the consumer. One that was deleted is made anew, behind
// the last message that is known to be durable; made says so.
func (s *Source) findConsumer(
	ctx context.Context, stream jetstream.Stream,
) (consumer jetstream.Consumer, made bool, err error) {
	consumer, err = stream.Consumer(ctx, s.config.Name)
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return consumer, false, err
	}
	if s.Shared {
		return nil, false, pipeline.Passing(err)
	}
	cfg := s.newConsumer()
	cfg.Name, cfg.Metadata = s.config.Name, s.config.Metadata
	if s.start.known {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, nil
		cfg.OptStartSeq = max(s.start.next, 1)
	}
	s.Log.Warn("nats consumer was deleted, made anew",
		"stream", s.Stream, "consumer", cfg.Name, "begins", cfg.OptStartSeq)
	consumer, err = stream.CreateConsumer(ctx, cfg)
	return consumer, err == nil, err
}

// noteLostTail names a stream that is shorter than it was: a server that came
// back with an older disk, or whose tail was in memory alone.
func (s *Source) noteLostTail(stream *jetstream.StreamInfo, consumer *jetstream.ConsumerInfo) {
	last, had := stream.State.LastSeq, consumer.Delivered.Stream
	if s.start.known {
		had = max(had, s.start.next-1)
	}
	if had <= last {
		return
	}
	s.Log.Error("the stream lost its tail: messages that were read are not in it any more, "+
		"and their sequences are used again", "stream", s.Stream, "consumer", consumer.Name, "last", last, "was", had)
	if s.start.known && s.start.next > last+1 {
		s.start.next, s.start.last = last+1, -1
	}
}

// checkTail returns ErrLostTail if the consumer is behind the end of its stream
// and cannot be taken back: a reset goes back to the last acknowledged message,
// and further only where the consumer begins with the first one.
func (s *Source) checkTail(last uint64, info *jetstream.ConsumerInfo) error {
	had, resets := info.AckFloor.Stream, s.conn.canReset()
	if !resets {
		had = max(had, info.Delivered.Stream)
	}
	if had <= last || resets && s.config.DeliverPolicy == jetstream.DeliverAllPolicy {
		return nil
	}
	return fmt.Errorf("nats stream %s, consumer %s: %w", s.Stream, s.config.Name, ErrLostTail)
}

// goBack makes the server deliver everything that is not acknowledged, in the
// order of the stream.
func (s *Source) goBack(ctx context.Context, stream jetstream.Stream, info *jetstream.ConsumerInfo) (err error) {
	floor, last := info.AckFloor.Stream, stream.CachedInfo().State.LastSeq
	switch {
	case floor > last:
		// It would pass over new messages until the stream is as long as it
		// was.
		floor = last
		_, err = stream.ResetConsumerToSequence(ctx, s.config.Name, last+1)
	case info.NumAckPending > 0 || info.NumRedelivered > 0 || floor < info.Delivered.Stream:
		_, err = stream.ResetConsumer(ctx, s.config.Name)
	default:
		s.noteFloor(floor, last)
		return nil
	}
	if err != nil {
		return fmt.Errorf("nats stream %s, consumer %s: reset: %w", s.Stream, s.config.Name, err)
	}
	s.number = 0
	s.noteFloor(floor, last)
	return nil
}
