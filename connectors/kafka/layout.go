package kafka

import (
	"context"
	"errors"
	"maps"
	"slices"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// layout tells the membership about the topics that the Source reads.
type layout struct{ source *Source }

// CountPartitions implements membership.Layout.
func (l layout) CountPartitions(ctx context.Context, topics []string) (map[string]int32, error) {
	s := l.source
	m, err := s.cluster.AskMetadata(ctx, topics...)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int32, len(m.Topics))
	for i := range m.Topics {
		t := &m.Topics[i]
		if t.Err != nil || len(t.Partitions) == 0 {
			continue
		}
		counts[t.Name] = int32(len(t.Partitions))
		// Of one that was replaced IsReplaced tells.
		if known := s.topics.find(t.Name); known != nil && known.Note(t) == nil {
			counts[t.Name] = known.PartitionCount() // this broker may not have heard of all
		}
	}
	return counts, nil
}

// FindFresh implements membership.Layout.
func (l layout) FindFresh(ctx context.Context, counts map[string]int32) ([]string, error) {
	var all []wire.TopicPartition
	for _, topic := range slices.Sorted(maps.Keys(counts)) {
		for n := range counts[topic] {
			all = append(all, wire.TopicPartition{Topic: topic, Partition: n})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	used, err := l.findUsed(ctx, all)
	if err != nil {
		return nil, err
	}
	var fresh []string
	for topic := range counts {
		if !used[topic] {
			fresh = append(fresh, topic)
		}
	}
	slices.Sort(fresh)
	return fresh, nil
}

// findUsed returns the topics for a partition of which the group has committed
// an offset, or is about to.
func (l layout) findUsed(ctx context.Context, partitions []wire.TopicPartition) (used map[string]bool, err error) {
	s := l.source
	used = make(map[string]bool)
	err = s.cluster.RetryCall(ctx, "offsets of group "+s.Group, func(ctx context.Context) error {
		found, err := s.cluster.ReadOffsets(ctx, s.Group, partitions)
		switch {
		case errors.Is(err, kafkago.GroupIdNotFound):
			return nil
		case err != nil:
			return err
		}
		unknown := make(map[string]error)
		for i := range found {
			topic := partitions[i].Topic
			switch err := found[i].Err; {
			case errors.Is(err, kafkago.UnstableOffsetCommit):
				used[topic] = true // of a transaction that is open
			case err != nil:
				unknown[topic] = cluster.WorseOf(unknown[topic], err)
			case found[i].Offset >= 0:
				used[topic] = true
			}
		}
		var worst error
		for topic, err := range unknown {
			if !used[topic] {
				worst = cluster.WorseOf(worst, err)
			}
		}
		return worst
	})
	return used, err
}

// TopicName implements membership.Layout. A topic that was made a moment ago is
// looked for among all of them.
func (l layout) TopicName(ctx context.Context, id [16]byte) (string, error) {
	for _, t := range l.source.topics.allTopics() {
		if t.ID() == id {
			return t.Name(), nil
		}
	}
	if !l.source.names.MayBeSeveral() {
		return "", nil
	}
	m, err := l.source.cluster.AskAllMetadata(ctx)
	if err != nil {
		return "", err
	}
	for i := range m.Topics {
		if m.Topics[i].ID == id {
			return m.Topics[i].Name, nil
		}
	}
	return "", nil
}

// TopicID implements membership.Layout.
func (l layout) TopicID(_ context.Context, name string) ([16]byte, error) {
	if t := l.source.topics.find(name); t != nil {
		return t.ID(), nil
	}
	return [16]byte{}, nil
}
