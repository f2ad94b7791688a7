package kafka

import (
	"context"
	"slices"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// serveBounded reads the records that existed when the Source was opened,
// without joining a group. With a group it first makes sure that nobody else
// uses its offsets: it commits where it starts, which brokers refuse while the
// group has members, and with transactions it takes over the ids of all lanes
// that a run may have, which fences a run that is still under way.
func (s *Source) serveBounded(ctx context.Context, serve serveFunc) error {
	partitions := s.chosenPartitions()
	o := cluster.NoMember(s.Group)
	shares := s.dealShares(partitions)
	var producers []*producer
	if s.sink != nil {
		for n := range int(s.topic.PartitionCount()) {
			p := newProducer(s.sink.cluster, s.laneTransactionalID(n), s.timing.timeout)
			if err := p.initID(ctx, true); err != nil {
				return err
			}
			producers = append(producers, p)
		}
	}
	if s.Group != "" {
		if err := s.claimOffsets(ctx, o, partitions); err != nil {
			return err
		}
	}
	return s.serveShares(ctx, o, shares, producers, serve)
}

// claimOffsets commits the positions where the run starts. Partitions that had
// no offset get one.
func (s *Source) claimOffsets(ctx context.Context, o cluster.Owner, partitions []int32) error {
	positions, err := s.findPositions(ctx, o, partitions)
	if err != nil {
		return err
	}
	offsets := make([]cluster.Offset, len(positions))
	for i := range positions {
		metadata, err := cluster.AppendMetadata(nil, &positions[i])
		if err != nil {
			return err
		}
		offsets[i] = cluster.Offset{Partition: partitions[i], Next: positions[i].Next, Metadata: string(metadata)}
	}
	return s.cluster.CommitOffsets(ctx, o, s.Topic, offsets)
}

// chosenPartitions returns the partitions of a bounded run.
func (s *Source) chosenPartitions() []int32 {
	if s.Partitions != nil {
		return slices.Compact(slices.Sorted(slices.Values(s.Partitions)))
	}
	return s.topic.Partitions()
}
