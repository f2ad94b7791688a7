package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// OpenTransaction is a transaction of a producer that has neither been
// committed nor aborted, as the leader of a partition knows it (KIP-664).
type OpenTransaction struct {
	Topic      string
	Partition  int32
	ProducerID int64
	Epoch      int32
	Start      int64     // the offset of its first record
	Last       time.Time // when its producer wrote to the partition last
}

// Command returns the command that aborts the transaction.
func (o *OpenTransaction) Command(c *Cluster) string {
	return fmt.Sprintf("kafka-transactions.sh --bootstrap-server %s abort --topic %s --partition %d --start-offset %d",
		strings.Join(c.options.Brokers, ","), o.Topic, o.Partition, o.Start)
}

// describeLimit is how long a question may take that is only for the log.
const describeLimit = 5 * time.Second

// OpenTransactions asks a broker for the transactions that are open in a
// partition which it leads, the oldest first. Kafka 3.0 or later and the right
// to read the topic are needed.
func (c *Cluster) OpenTransactions(
	ctx context.Context, broker int32, topic string, partition int32,
) ([]OpenTransaction, error) {
	req := kmsg.NewPtrDescribeProducersRequest()
	t := kmsg.NewDescribeProducersRequestTopic()
	t.Topic, t.Partitions = topic, []int32{partition}
	req.Topics = append(req.Topics, t)
	res, _, err := c.wire.Ask(ctx, wire.Question{Broker: broker, Request: req, Limit: describeLimit})
	if err != nil {
		return nil, err
	}
	var open []OpenTransaction
	for _, t := range res.(*kmsg.DescribeProducersResponse).Topics {
		for _, p := range t.Partitions {
			if err := ErrorFromCode(p.ErrorCode); err != nil {
				return nil, err
			}
			for _, a := range p.ActiveProducers {
				if a.CurrentTxnStartOffset < 0 {
					continue
				}
				open = append(open, OpenTransaction{
					Topic: topic, Partition: partition, ProducerID: a.ProducerID, Epoch: a.ProducerEpoch,
					Start: a.CurrentTxnStartOffset, Last: time.UnixMilli(a.LastTimestamp),
				})
			}
		}
	}
	slices.SortFunc(open, func(a, b OpenTransaction) int { return int(a.Start - b.Start) })
	return open, nil
}

// offsetsTopic is where brokers keep the offsets of groups.
const offsetsTopic = "__consumer_offsets"

// OpenOffsets asks for the transactions that may hold back offsets of a group:
// those that are open in the partition which has the group's offsets, and in
// which nothing was written for a while.
func (c *Cluster) OpenOffsets(ctx context.Context, group string, quiet time.Duration) ([]OpenTransaction, error) {
	m, err := c.AskMetadata(ctx, offsetsTopic)
	if err != nil {
		return nil, err
	}
	if len(m.Topics) != 1 || len(m.Topics[0].Partitions) == 0 {
		return nil, kafkago.UnknownTopicOrPartition
	}
	n := int32(len(m.Topics[0].Partitions))
	partition := hashText(group) & 0x7fffffff % n
	leader := int32(-1)
	for _, p := range m.Topics[0].Partitions {
		if p.Partition == partition {
			leader = p.Leader
		}
	}
	open, err := c.OpenTransactions(ctx, leader, offsetsTopic, partition)
	return slices.DeleteFunc(open, func(o OpenTransaction) bool { return time.Since(o.Last) < quiet }), err
}

// hashText is String.hashCode of Java, by which brokers choose the partition of
// a group.
func hashText(s string) (h int32) {
	for _, unit := range utf16.Encode([]rune(s)) {
		h = 31*h + int32(unit)
	}
	return h
}
