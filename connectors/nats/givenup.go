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

// Messages that the server gives up. A consumer that somebody made with
// MaxDeliver delivers a message so many times, and then passes over it for
// ever: it is pending no more, and the ack floor moves over it. Consumers of
// ours have no such limit.
//
// An owner knows from its lease which messages are durable, so it takes the
// consumer back to the first that is not (goBackToGivenUp): nothing was wrong
// with those messages but that a process was away.
//
// Processes that share a consumer know nothing of each other's messages. The
// server publishes an advisory for each one that it gives up; one of the
// processes gets it, reads the message from the stream, and hands it out as one
// that is refused: it becomes a dead letter, or without any parks the stream.
// Advisories that nobody hears are lost. But the server keeps the count of
// deliveries of such messages until they are acknowledged, which ours are, so
// the number of the others is known (countGivenUp).

// findsGivenUp tells whether no message is lost of a consumer with MaxDeliver.
func (s *Source) findsGivenUp(cfg *jetstream.ConsumerConfig) bool {
	if s.Shared {
		return cfg.MaxDeliver > 1 // of 1, the server does not tell how many it gave up
	}
	goesBack := cfg.DeliverPolicy == jetstream.DeliverAllPolicy ||
		cfg.DeliverPolicy == jetstream.DeliverByStartSequencePolicy || cfg.DeliverPolicy == jetstream.DeliverByStartTimePolicy
	return s.conn.canReset() && goesBack
}

// hasLimit tells whether the server gives messages up.
func (s *Source) hasLimit() bool { return s.config.MaxDeliver > 0 }

func rejectGivenUp(deliveries uint64) error {
	return &pipeline.Reject{
		Reason: pipeline.ReasonGivenUp,
		Err:    fmt.Errorf("given-up: delivered %d times and never acknowledged", deliveries),
	}
}

// prepareGivenUp makes a consumer with MaxDeliver ready for a lane. Its error
// is that of ctx, or one that parks the stream.
func (s *Source) prepareGivenUp(ctx context.Context) error {
	switch {
	case !s.hasLimit():
		return nil
	case s.Shared:
		return s.hearGivenUp(ctx)
	case s.lease != nil:
		return s.goBackToGivenUp(ctx)
	}
	return nil
}

// goBackToGivenUp takes the consumer of an owner back to the first message that
// is not durable: a reset goes back to the ack floor, which may have moved over
// it, and the floor that the server reports is not always the one that it goes
// back to. The lease knows this message before any is delivered.
func (s *Source) goBackToGivenUp(ctx context.Context) error {
	from := s.lease.position()
	if from == nil || from.Created != s.created.UnixNano() || from.Consumer != s.start.consumer || from.Next <= 0 {
		s.storeStart()
		for !s.lease.isSaved(s.start.note) && s.lease.checkOwner() == nil {
			if err := retry.Sleep(ctx, lookAgainWhenDue); err != nil {
				return err
			}
		}
		return nil
	}
	next := min(uint64(from.Next), s.start.next)
	asking, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	started := time.Now()
	stream, err := s.conn.js.Stream(asking, s.Stream)
	if err == nil {
		_, err = stream.ResetConsumerToSequence(asking, s.config.Name, next)
	}
	if err != nil {
		err = s.conn.explainStream(started, s.Stream, err)
		return fmt.Errorf("%w: nats stream %s, consumer %s: back to messages that the server may have given up: %w",
			pipeline.ErrLost, s.Stream, s.config.Name, err)
	}
	s.number = 0
	if next < s.start.next {
		s.Log.Warn("the consumer has max_deliver, and the server may have given messages up: they are read again",
			"stream", s.Stream, "consumer", s.config.Name, "from", next, "up_to", s.start.next-1)
		s.start.next, s.start.last, s.start.state = next, from.Last, from.State
		s.start.stored = time.Unix(0, from.Time)
	}
	return nil
}

// countGivenUp returns how many messages at least the server has given up that
// nobody has acknowledged.
func countGivenUp(info *jetstream.ConsumerInfo) int {
	return max(0, info.NumRedelivered-info.NumAckPending)
}

// ErrGivenUp is the error of a run with an end that is not complete: the server
// gave messages up while no process was there to hear of it.
var ErrGivenUp = errors.New("the server gave messages up (max_deliver), and they were not read")

// checkGivenUp returns ErrGivenUp if a shared consumer has such messages at the
// end of a run. The server takes a moment to count acknowledgements.
func (s *Source) checkGivenUp() error {
	if !s.Shared || !s.hasLimit() || !s.UntilEnd {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	result := context.DeadlineExceeded
	for {
		consumer, err := s.lookUp(ctx)
		if err == nil {
			n := countGivenUp(consumer.CachedInfo())
			if n == 0 {
				return nil
			}
			result = fmt.Errorf("at least %d: %w", n, ErrGivenUp)
		}
		if retry.Sleep(ctx, settleEvery) != nil {
			return fmt.Errorf("nats stream %s, consumer %s: %w", s.Stream, s.config.Name, result)
		}
	}
}

// tellGivenUp says how many messages were given up while no process was there
// to hear of it.
func (s *Source) tellGivenUp(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	consumer, err := s.lookUp(asking)
	if err != nil {
		return // the lane will say so
	}
	if n := countGivenUp(consumer.CachedInfo()); n > 0 {
		s.Log.Error("the server gave messages up while no process of this consumer was there: they are in the stream "+
			"and are not read; a consumer without max_deliver reads them",
			"stream", s.Stream, "consumer", s.config.Name, "at_least", n)
	}
}
