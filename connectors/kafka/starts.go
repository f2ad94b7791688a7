package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// findPositions returns where the given partitions begin: at the committed
// offset, or else as Start says if the partition is fresh. One that was added
// to the topic later begins at its first record.
func (s *Source) findPositions(
	ctx context.Context, o *owner, partitions []int32, fresh func(int32) bool,
) (out []pipeline.Position, known []int32, err error) {
	out, known = make([]pipeline.Position, len(partitions)), make([]int32, len(partitions))
	for i, p := range partitions {
		out[i] = pipeline.Position{Place: s.topics.placeOf(p), Next: -1, Last: -1}
		known[i] = -1
	}
	replaced := make(map[int32]bool)
	if s.Group != "" {
		if err := s.readCommitted(ctx, partitions, out, known, replaced); err != nil {
			return nil, nil, err
		}
		if err := s.goBackToCuts(ctx, partitions, out, known); err != nil {
			return nil, nil, err
		}
	}
	if err := s.loadCheckpoint(ctx, partitions, out, known); err != nil {
		return nil, nil, err
	}
	var unknown []int // indexes
	var asked []int32
	for i, p := range partitions {
		if out[i].Next < 0 && s.names.MayBeSeveral() && s.topics.at(p).topic.IsReplaced() {
			out[i].Next = 0 // it is parked there
			continue
		}
		if out[i].Next < 0 {
			unknown, asked = append(unknown, i), append(asked, p)
		}
	}
	if len(unknown) == 0 {
		return out, known, s.beginCheckpoint(out)
	}
	starts, err := s.findStarts(ctx, asked, func(p int32) bool { return fresh(p) && !replaced[p] })
	if err != nil {
		return nil, nil, err
	}
	offsets := make([]cluster.Offset, 0, len(unknown))
	for n, i := range unknown {
		out[i].Next = starts[n]
		offsets = append(offsets, s.topics.offsetOf(asked[n], starts[n]))
	}
	if err := s.beginCheckpoint(out); err != nil {
		return nil, nil, err
	}
	if s.Start.New || s.sink == nil && s.Group != "" {
		// Where the end is now must not be forgotten if the lane is lost before
		// its first commit. And a group would look like one with expired
		// offsets (see FreshPlaces) if messages were written before its first
		// commit.
		return out, known, o.commitAs(ctx, offsets, func(as cluster.Owner) error {
			return s.cluster.CommitOffsets(ctx, as, offsets)
		})
	}
	return out, known, nil
}

// readCommitted fills in the offsets that the group has committed, their leader
// epochs, and the partitions whose offset is another topic's. It waits for
// transactions that are about to move them.
func (s *Source) readCommitted(
	ctx context.Context, partitions []int32, out []pipeline.Position, known []int32, replaced map[int32]bool,
) error {
	asked, name := s.topics.partitionsAt(partitions), "offsets of group "+s.Group
	return s.cluster.RetryExplained(ctx, name, s.explainUnstable, func(ctx context.Context) error {
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
			out[i].Next, known[i] = found[i].Offset, found[i].LeaderEpoch
			if found[i].Offset < 0 {
				continue
			}
			err := cluster.ParseMetadata(&out[i], s.topics.hashOf(asked[i].Topic), found[i].Metadata)
			switch {
			case errors.Is(err, cluster.ErrOtherSource):
				s.Log.Warn("kafka: the topic was made anew, and the group has an offset of the one before: "+
					"the partition is read from its beginning", "error", err)
				out[i].Next, known[i], replaced[partitions[i]] = -1, -1, true
			case err != nil:
				s.Log.Warn("kafka: state of a partition is not known", "error", err)
			}
		}
		return worst
	})
}

// explainUnstable returns attributes for the log about the transactions that
// hold the group's offsets back.
func (s *Source) explainUnstable(ctx context.Context) []any {
	open, err := s.cluster.OpenOffsets(ctx, s.Group, s.timing.told)
	if err != nil {
		return []any{"transaction", fmt.Sprintf("not known: %v", err)}
	}
	return describeOldest(s.cluster, open)
}

// findStarts returns where partitions without an offset begin. With
// Start.Sealed that is the first record as long as FindSealed is not set, as it
// is when a Source is only looked at.
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
		case s.Start.Sealed && s.FindSealed != nil:
			if starts[i], err = s.findSealed(ctx, partitions[i], first, end); err != nil {
				return nil, err
			}
		case !fresh(partitions[i]):
			starts[i] = first
		case s.Start.New:
			starts[i] = end
		case s.Start.Offset > 0 || s.Start.Places != nil:
			starts[i] = min(max(s.Start.offsetOf(s.topics.placeOf(partitions[i])), first), end)
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
