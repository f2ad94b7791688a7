package kafka

import (
	"context"
	"errors"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
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
		if t := &m.Topics[i]; t.Err == nil && len(t.Partitions) > 0 {
			counts[t.Name] = int32(len(t.Partitions))
		}
	}
	return counts, nil
}

// FindFresh implements membership.Layout.
func (l layout) FindFresh(ctx context.Context, counts map[string]int32) ([]string, error) {
	var fresh []string
	for topic, n := range counts {
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		found, err := l.hasOffsets(ctx, topic, all)
		if err != nil {
			return nil, err
		}
		if !found {
			fresh = append(fresh, topic)
		}
	}
	return fresh, nil
}

// hasOffsets tells whether the group has committed an offset for one of the
// partitions, or is about to.
func (l layout) hasOffsets(ctx context.Context, topic string, partitions []int32) (has bool, err error) {
	s := l.source
	err = s.cluster.RetryCall(ctx, "offsets of group "+s.Group, func(ctx context.Context) error {
		found, err := s.cluster.ReadOffsets(ctx, s.Group, topic, partitions)
		switch {
		case errors.Is(err, kafkago.GroupIdNotFound):
			return nil
		case err != nil:
			return err
		}
		var worst error
		for i := range found {
			switch err := found[i].Err; {
			case errors.Is(err, kafkago.UnstableOffsetCommit):
				has = true // of a transaction that is open
			case err != nil:
				worst = cluster.WorseOf(worst, err)
			default:
				has = has || found[i].Offset >= 0
			}
		}
		if has {
			return nil
		}
		return worst
	})
	return has, err
}

// TopicName implements membership.Layout.
func (l layout) TopicName(_ context.Context, id [16]byte) (string, error) {
	if id == l.source.topic.ID() {
		return l.source.Topic, nil
	}
	return "", nil
}

// TopicID implements membership.Layout.
func (l layout) TopicID(context.Context, string) ([16]byte, error) { return l.source.topic.ID(), nil }
