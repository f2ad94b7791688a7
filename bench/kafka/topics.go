package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// maxSize is the largest payload, in bytes. Topics accept records of that size.
// The limit grows with each step of a record, since streamcrypt requires that.
const maxSize = 1 << 20

// batchLimit is the limit of a topic's record batches, by the number of steps
// that its records have behind them: written, sealed, opened.
func batchLimit(step int) int { return 2*maxSize + 1024*step }

// topicsAtOnce is how many topics one request creates or deletes.
const topicsAtOnce = 50

func (b *broker) createTopic(ctx context.Context, name string, partitions, step int) error {
	return b.createTopics(ctx, []string{name}, partitions, step)
}

// createTopics creates topics with one request, and waits for their leaders.
func (b *broker) createTopics(ctx context.Context, names []string, partitions, step int) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	limit := strconv.Itoa(batchLimit(step))
	for _, name := range names {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), 1
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = "max.message.bytes", &limit
		topic.Configs = append(topic.Configs, config)
		req.Topics = append(req.Topics, topic)
	}
	res, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return fmt.Errorf("topic %s: %w", names[0], err)
	}
	for i := range res.Topics {
		if err := kerr.ErrorForCode(res.Topics[i].ErrorCode); err != nil {
			return fmt.Errorf("topic %s: %w", res.Topics[i].Topic, err)
		}
	}
	for _, name := range names {
		if err := b.awaitLeaders(ctx, name, partitions); err != nil {
			return err
		}
	}
	return nil
}

// awaitLeaders waits until each partition of a new topic has a leader that
// answers.
func (b *broker) awaitLeaders(ctx context.Context, name string, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := b.countRecords(ctx, name, partitions, false)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (b *broker) deleteTopic(ctx context.Context, name string) error {
	return b.deleteTopics(ctx, []string{name})
}

// deleteTopics deletes those of some topics that there are.
func (b *broker) deleteTopics(ctx context.Context, names []string) error {
	for some := range slices.Chunk(names, topicsAtOnce) {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis = 30_000
		for _, name := range some {
			topic := kmsg.NewDeleteTopicsRequestTopic()
			topic.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, topic)
		}
		req.TopicNames = some
		res, err := req.RequestWith(ctx, b.client)
		if err != nil {
			return fmt.Errorf("topic %s: %w", some[0], err)
		}
		for i, t := range res.Topics {
			if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
				return fmt.Errorf("topic %s: %w", some[i], err)
			}
		}
	}
	return nil
}

// countRecords returns how many offsets a topic has, of committed records or of
// all. Deleted records and the markers of transactions count.
func (b *broker) countRecords(ctx context.Context, name string, partitions int, committed bool) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	if committed {
		req.IsolationLevel = 1
	}
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = name
	for p := range partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = int32(p), -1
		topic.Partitions = append(topic.Partitions, partition)
	}
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return 0, fmt.Errorf("ends of topic %s: %w", name, err)
	}
	var sum int64
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return 0, fmt.Errorf("end of %s/%d: %w", name, p.Partition, err)
			}
			sum += p.Offset
		}
	}
	return sum, nil
}

// watchTopic describes a topic that a contender fills with committed records.
func (b *broker) watchTopic(name string, partitions, want int) *contest.Destination {
	return &contest.Destination{
		Name: "topic " + name, Unit: "records", Want: int64(want),
		CountMessages: func(ctx context.Context, begun bool) (int64, error) {
			return b.countRecords(ctx, name, partitions, begun)
		},
	}
}
