package nats

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// noteLostState says that messages were read before and that no state knows
// them: one of them that is played again passes.
func (s *Source) noteLostState(ctx context.Context, stream *jetstream.StreamInfo, consumer *jetstream.ConsumerInfo) {
	if !s.HasGate || s.lease == nil || s.start.state != nil || s.stateTold {
		return
	}
	if s.lease.position() != nil && s.lease.store == nil {
		return // the last owner kept no state
	}
	if !s.hasRead(ctx, stream, consumer) {
		return
	}
	s.stateTold = true
	place := "nats KV bucket " + s.LeaseBucket
	if s.lease.store != nil {
		place = s.lease.store.String()
	}
	s.Log.Warn("the state of the replay check is lost: a message that was read before passes if it is played again",
		"stream", s.Stream, "consumer", s.config.Name, "state", place, "acknowledged", consumer.AckFloor.Stream)
}

// hasRead tells whether the consumer is known to have read messages. The
// sequence of its floor alone says nothing: that of a new consumer is the one
// before the first message that the stream holds, or before its start.
//
// The number of the floor's delivery is above zero if a message was
// acknowledged since the consumer was made or reset. After a reset, a message
// that is for the consumer and lies before the floor was read, if the stream
// still holds it.
func (s *Source) hasRead(ctx context.Context, stream *jetstream.StreamInfo, consumer *jetstream.ConsumerInfo) bool {
	floor := consumer.AckFloor
	if floor.Consumer > 0 {
		return true
	}
	from := stream.State.FirstSeq
	switch consumer.Config.DeliverPolicy {
	case jetstream.DeliverAllPolicy:
	case jetstream.DeliverByStartSequencePolicy:
		from = max(from, consumer.Config.OptStartSeq)
	default:
		return false // the first message that was for it is not known
	}
	if from > floor.Stream || stream.State.Msgs == 0 {
		return false
	}
	filters := filtersOf(&consumer.Config)
	if len(filters) == 0 {
		filters = []string{">"}
	}
	for _, filter := range filters {
		if s.holdsUpTo(ctx, filter, from, floor.Stream) {
			return true
		}
	}
	return false
}

// holdsUpTo tells whether the stream is known to hold a message of a subject
// from one sequence to another. Where it may not be asked, it is not asked
// again.
func (s *Source) holdsUpTo(ctx context.Context, subject string, from, to uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	_, found, err := s.conn.requestMessage(ctx, s.Stream, map[string]any{"seq": from, "next_by_subj": subject})
	if s.conn.isGetDenied(s.Stream, err) {
		s.stateTold = true
	}
	return err == nil && found <= to
}
