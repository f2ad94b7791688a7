package cluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// ReadUpTo says how far a partition has been read, and the leader epoch of its
// last record.
type ReadUpTo struct {
	Partition   int32
	Next        int64
	LeaderEpoch int32
}

// FindCuts asks the leaders whether their logs still have what was read
// (KIP-320). The answer has one element per question: the offset at which a log
// was cut since, as by an unclean election, or -1. Records at and behind that
// offset are others than those that were read.
func (t *Topic) FindCuts(ctx context.Context, read []ReadUpTo) ([]int64, error) {
	cuts := make([]int64, len(read))
	partitions := make([]int32, len(read))
	for i := range read {
		cuts[i], partitions[i] = -1, read[i].Partition
	}
	err := t.askLeaders(ctx, "leader epochs", partitions, func(leader int32, open *[]int) error {
		return t.askEpochs(ctx, leader, read, open, cuts)
	})
	if err != nil {
		return nil, err
	}
	return cuts, nil
}

// askEpochs asks one leader, and removes the answered indexes from open.
func (t *Topic) askEpochs(ctx context.Context, leader int32, read []ReadUpTo, open *[]int, cuts []int64) error {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
	topic.Topic = t.name
	asked := make(map[int32]int)
	var left []int
	for _, i := range *open {
		l := t.Leader(read[i].Partition)
		if l.Broker != leader {
			left = append(left, i)
			continue
		}
		asked[read[i].Partition] = i
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = read[i].Partition, l.Epoch, read[i].LeaderEpoch
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	res, _, err := t.cluster.wire.Ask(ctx, wire.Question{Broker: leader, Request: req, Least: 2, Most: 4})
	if err != nil {
		return err
	}
	for _, topic := range res.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, p := range topic.Partitions {
			i, ok := asked[p.Partition]
			if !ok || topic.Topic != t.name {
				continue
			}
			if e := ErrorFromCode(p.ErrorCode); e != nil {
				err = WorseOf(err, fmt.Errorf("%s: %w", PlaceOf(t.name, p.Partition), e))
				continue
			}
			delete(asked, p.Partition)
			if p.EndOffset >= 0 && p.EndOffset < read[i].Next {
				cuts[i] = p.EndOffset
			}
		}
	}
	for _, i := range asked { // without an answer
		left = append(left, i)
		err = WorseOf(err, wire.ErrUnanswered)
	}
	*open = left
	return err
}
