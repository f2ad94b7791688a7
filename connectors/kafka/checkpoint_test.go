package kafka

import (
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// oldCheckpoint has read all partitions up to an offset.
type oldCheckpoint int64

func (c oldCheckpoint) LoadPosition(place string) (pipeline.Position, bool) {
	return pipeline.Position{Place: place, Next: int64(c), Last: int64(c) - 1}, true
}

func (oldCheckpoint) SavePositions([]pipeline.Position) error { return nil }

// TestCheckpointBehindTheLog: a log that was cut is not complete, and what is
// written at the offsets that were read once is not passed over.
func TestCheckpointBehindTheLog(t *testing.T) {
	t.Parallel()
	for at, want := range map[oldCheckpoint]error{5: nil, 6: ErrLostTail, 10: ErrLostTail} {
		b := startBroker(t)
		b.topic("in", 1)
		b.put("in", 1, numbered(0, 5))
		s := b.source(b.connect(nil), SourceOptions{Topic: "in", Until: Until{End: true}})
		s.Checkpoint = at
		sink := b.sink(b.connect(nil), SinkOptions{Topic: "out", Create: true, Source: s, Delivery: AtLeastOnce})
		err := pipeline.Run(t.Context(), identity(pipeline.Options{Source: s, Sink: sink, Log: quiet}))
		if !errors.Is(err, want) {
			t.Errorf("checkpoint at %d of a log with 5 records: %v, want %v", at, err, want)
		}
	}
}
