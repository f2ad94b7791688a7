package kafka

import (
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// FreshPlaces returns the partitions of the topics for which the group has no
// offset at all, or without a group all partitions. Brokers forget the offsets
// of a group that has been empty for a week, so that an old group may look like
// a new one. Where the group has members it returns none: one of them may have
// begun a moment ago.
func (s *Source) FreshPlaces(ctx context.Context) ([]string, error) {
	partitions := s.topics.Partitions()
	if s.Until.Bounded() {
		partitions = s.chosenPartitions()
	}
	fresh := func(string) bool { return true }
	if s.Group != "" {
		used, err := s.isGroupUsed(ctx)
		if err != nil || used {
			return nil, err
		}
		// An offset of any partition counts, also of one that is not read now.
		topics, err := layout{s}.findUsed(ctx, s.topics.partitionsAt(s.topics.Partitions()))
		if err != nil {
			return nil, err
		}
		fresh = func(topic string) bool { return !topics[topic] }
	}
	var places []string
	for _, p := range partitions {
		if place := s.topics.placeOf(p); fresh(cluster.TopicOf(place)) {
			places = append(places, place)
		}
	}
	return places, nil
}

// isGroupUsed tells whether the group has members.
func (s *Source) isGroupUsed(ctx context.Context) (used bool, err error) {
	err = s.cluster.RetryCall(ctx, "members of group "+s.Group, func(ctx context.Context) error {
		used, err = membership.HasMembers(ctx, s.memberOptions(nil))
		return err
	})
	return used, err
}

// findSealed returns where a partition goes on behind its last message in the
// destination, or its first offset if that has none.
func (s *Source) findSealed(ctx context.Context, partition int32, first, end int64) (int64, error) {
	place := s.topics.placeOf(partition)
	next, err := s.FindSealed(ctx, place)
	switch {
	case err != nil:
		return 0, err
	case next < 0:
		return first, nil
	case next > end:
		// Nobody has verified the envelopes in the destination.
		return 0, fmt.Errorf("kafka %s: the destination claims to hold its messages up to offset %d, and its end is %d",
			place, next-1, end)
	}
	return max(next, first), nil
}

// OpenPeekers opens the partitions in which messages of a place of the Source
// are. There are none if the destination is not open.
func (s *Sink) OpenPeekers(ctx context.Context, place string) ([]*Peeker, error) {
	to, err := s.destinationFor(ctx, s.feedOf(place), false)
	if err != nil || to == nil {
		return nil, err
	}
	if err := s.cluster.CheckTopicRight(ctx, to.Name(), "Read"); err != nil {
		return nil, err
	}
	partitions := to.Partitions()
	if _, number, ok := cluster.SplitPlace(place); ok && s.Partition == SamePartition {
		if number >= to.PartitionCount() {
			return nil, nil
		}
		partitions = []int32{number}
	}
	rows, err := to.ListOffsets(ctx, partitions, wire.Earliest, wire.Latest)
	if err != nil {
		return nil, err
	}
	all := make([]*Peeker, len(partitions))
	for i, number := range partitions {
		all[i] = &Peeker{
			topic: to.Topic, number: number, place: cluster.PlaceOf(to.Name(), number),
			first: rows[0][i], end: rows[1][i], codecMemory: batch.CodecMemoryFor(to.maxBatch),
		}
	}
	return all, nil
}
