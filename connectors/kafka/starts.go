package kafka

import (
	"context"
	"errors"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// findPositions returns where the given partitions begin: at the committed
// offset, or else as Start says if the partition is fresh. One that was added to
// the topic later begins at its first record.
func (s *Source) findPositions(
	ctx context.Context, o *owner, partitions []int32, fresh func(int32) bool,
) ([]pipeline.Position, error) {
	out := make([]pipeline.Position, len(partitions))
	for i, p := range partitions {
		out[i] = pipeline.Position{Place: s.topics.placeOf(p), Next: -1, Last: -1}
	}
	if s.Group != "" {
		if err := s.readCommitted(ctx, partitions, out); err != nil {
			return nil, err
		}
	}
	var unknown []int // indexes
	var asked []int32
	for i := range out {
		if out[i].Next < 0 && s.names.MayBeSeveral() && s.topics.at(partitions[i]).topic.IsReplaced() {
			out[i].Next = 0 // it is parked there
			continue
		}
		if out[i].Next < 0 {
			unknown, asked = append(unknown, i), append(asked, partitions[i])
		}
	}
	if len(unknown) == 0 {
		return out, nil
	}
	starts, err := s.findStarts(ctx, asked, fresh)
	if err != nil {
		return nil, err
	}
	offsets := make([]cluster.Offset, 0, len(unknown))
	for n, i := range unknown {
		out[i].Next = starts[n]
		offsets = append(offsets, s.topics.offsetOf(asked[n], starts[n]))
	}
	if s.Start.New {
		// Where the end is now must not be forgotten if the lane is lost before
		// its first commit.
		return out, o.commitAs(ctx, offsets, func(as cluster.Owner) error {
			return s.cluster.CommitOffsets(ctx, as, offsets)
		})
	}
	return out, nil
}

// readCommitted fills in the offsets that the group has committed. It waits for
// transactions that are about to move them.
func (s *Source) readCommitted(ctx context.Context, partitions []int32, out []pipeline.Position) error {
	asked := s.topics.partitionsAt(partitions)
	return s.cluster.RetryCall(ctx, "offsets of group "+s.Group, func(ctx context.Context) error {
		found, err := s.cluster.ReadOffsets(ctx, s.Group, asked)
		switch {
		case errors.Is(err, kafkago.GroupIdNotFound):
			return nil // it has committed nothing
		case err != nil:
			return err
		}
		var worst error
		for i := range found {
			if found[i].Err != nil {
				worst = cluster.WorseOf(worst, found[i].Err)
				continue
			}
			out[i].Next = found[i].Offset
			if found[i].Offset < 0 {
				continue
			}
			if err := cluster.ParseMetadata(&out[i], found[i].Metadata); err != nil {
				s.Log.Warn("kafka: state of a partition is not known", "error", err)
			}
		}
		return worst
	})
}

// findStarts returns where partitions without an offset begin.
func (s *Source) findStarts(ctx context.Context, partitions []int32, fresh func(int32) bool) ([]int64, error) {
	times := []int64{wire.Earliest, wire.Latest}
	if !s.Start.Time.IsZero() {
		times = append(times, s.Start.Time.UnixMilli())
	}
	rows, err := s.topics.ListOffsets(ctx, partitions, times...)
	if err != nil {
		return nil, err
	}
	starts := make([]int64, len(partitions))
	for i := range starts {
		first, end := rows[0][i], rows[1][i]
		switch {
		case !fresh(partitions[i]):
			starts[i] = first
		case s.Start.New:
			starts[i] = end
		case s.Start.Offset > 0:
			starts[i] = min(max(s.Start.Offset, first), end)
		case len(rows) > 2 && rows[2][i] >= 0:
			starts[i] = max(rows[2][i], first)
		case len(rows) > 2:
			starts[i] = end // nothing is as new as that
		default:
			starts[i] = first
		}
	}
	return starts, nil
}

// findEnds sets the offsets where a bounded run ends.
func (s *Source) findEnds(ctx context.Context) error {
	all := s.topics.Partitions()
	times := []int64{wire.Latest}
	if !s.Until.Time.IsZero() {
		times = append(times, s.Until.Time.UnixMilli())
	}
	rows, err := s.topics.ListOffsets(ctx, all, times...)
	if err != nil {
		return err
	}
	s.untilOffsets = rows[0]
	for i := range s.untilOffsets {
		if s.Until.Offset > 0 {
			s.untilOffsets[i] = min(s.untilOffsets[i], s.Until.Offset)
		}
		if len(rows) > 1 && rows[1][i] >= 0 {
			s.untilOffsets[i] = min(s.untilOffsets[i], rows[1][i])
		}
	}
	return nil
}
