package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Start says where a consumer begins that does not exist yet. The zero Start is
// the beginning of the stream. At most one field is set.
type Start struct {
	Sequence uint64    // the first message with this sequence or a higher one
	Time     time.Time // the first message stored at this time or later
	New      bool      // messages stored after the consumer was made
}

func (s *Start) countGiven() (n int) {
	for _, given := range []bool{s.Sequence > 0, !s.Time.IsZero(), s.New} {
		if given {
			n++
		}
	}
	return n
}

// Until says where a bounded run ends. The zero Until is behind the message
// that is the stream's last when NewSource is called; every other one is that
// at the latest. At most one field is set.
type Until struct {
	Sequence uint64    // before this sequence
	Time     time.Time // before the first message stored at this time or later
}

// findLast returns the last sequence that a run reads which has an end.
func (o *SourceOptions) findLast(ctx context.Context, conn *Conn, stream jetstream.Stream) (uint64, error) {
	last := stream.CachedInfo().State.LastSeq
	switch {
	case o.Until.Sequence > 0:
		last = min(last, o.Until.Sequence-1)
	case !o.Until.Time.IsZero():
		started := time.Now()
		next, err := findTime(ctx, conn, stream, o.Until.Time)
		if err != nil {
			return 0, fmt.Errorf("nats stream %s: where it stood at %s: %w", o.Stream,
				o.Until.Time.Format(time.RFC3339), conn.explainStream(started, o.Stream, err))
		}
		last = min(last, next-1)
	}
	return last, nil
}

// findTime returns the sequence of the first message that was stored at a time
// or later, or the one behind the stream's last. It asks for a number of
// messages that grows with the logarithm of the stream's length: times in a
// stream rise, and the server names no sequence for a time.
func findTime(ctx context.Context, conn *Conn, stream jetstream.Stream, at time.Time) (uint64, error) {
	name, state := stream.CachedInfo().Config.Name, stream.CachedInfo().State
	low, high := max(state.FirstSeq, 1), state.LastSeq+1 // the answer lies between them
	for low < high {
		middle := low + (high-low)/2
		m, err := conn.findFirst(ctx, name, nil, middle)
		switch {
		case err != nil:
			return 0, err
		case m == nil:
			high = middle // nothing lies behind it
		case m.time.Before(at):
			low = m.sequence + 1
		default:
			high = middle
		}
	}
	return low, nil
}

// End returns the sequence before which a bounded run ends.
func (s *Source) End() uint64 { return s.last + 1 }

// measureBacklog bounds the number of messages that waited by the sequences up
// to the end of the run, which begins behind floor.
func (s *Source) measureBacklog(waited, floor uint64) uint64 {
	if !s.UntilEnd {
		return waited
	}
	return min(waited, s.last-min(floor, s.last))
}
