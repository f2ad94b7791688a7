package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"hash/fnv"
	"slices"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/nats"
)

// kafkaClient writes and reads records beside the routes, with a client of
// another project.
type kafkaClient struct {
	url      string
	address  string
	producer *kgo.Client
}

func newKafkaClient(address string) (*kafkaClient, error) {
	producer, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return &kafkaClient{url: "kafka://" + address, address: address, producer: producer}, err
}

// readTopic returns all committed records of a topic, in order of partitions.
func (c *kafkaClient) readTopic(ctx context.Context, topic string) ([]*kgo.Record, error) {
	var all []*kgo.Record
	for partition := range int32(demoPartitions) {
		end, err := c.findEnd(ctx, topic, partition)
		if err != nil {
			return nil, err
		}
		records, err := c.readPartition(ctx, topic, partition, end)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	return all, nil
}

// findEnd returns the offset behind the last record of a partition.
func (c *kafkaClient) findEnd(ctx context.Context, topic string, partition int32) (int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	asked := kmsg.NewListOffsetsRequestTopicPartition()
	asked.Partition, asked.Timestamp = partition, -1 // the latest
	of := kmsg.NewListOffsetsRequestTopic()
	of.Topic, of.Partitions = topic, append(of.Partitions, asked)
	request.Topics = append(request.Topics, of)
	answer, err := request.RequestWith(ctx, c.producer)
	if err != nil {
		return 0, err
	}
	return answer.Topics[0].Partitions[0].Offset, nil
}

func (c *kafkaClient) readPartition(
	ctx context.Context, topic string, partition int32, end int64,
) ([]*kgo.Record, error) {
	start := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.address), kgo.ConsumePartitions(start), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var records []*kgo.Record
	for last := int64(-1); last < end-1; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, err
		}
		for _, failed := range fetches.Errors() {
			return nil, failed.Err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			last = r.Offset // the last one may be the mark of a transaction
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records, nil
}

// toRecord makes a record of a payment. Its partition is that of its key.
func toRecord(m *natsgo.Msg) (*kgo.Record, error) {
	key, err := base64.RawURLEncoding.DecodeString(m.Header.Get(nats.KeyHeader))
	if err != nil {
		return nil, err
	}
	record := &kgo.Record{Topic: plainTopic, Key: key, Value: m.Data}
	hash := fnv.New32a()
	_, _ = hash.Write(key)
	record.Partition = int32(hash.Sum32() % demoPartitions)
	for _, name := range []string{paymentHeader, boundHeader, "Seen-By"} {
		for _, value := range m.Header.Values(name) {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
	}
	return record, nil
}

// copyRecord makes a stored record ready to be written again.
func copyRecord(r *kgo.Record) *kgo.Record {
	forged := &kgo.Record{
		Topic: r.Topic, Partition: r.Partition, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value),
	}
	for _, h := range r.Headers {
		forged.Headers = append(forged.Headers, kgo.RecordHeader{Key: h.Key, Value: bytes.Clone(h.Value)})
	}
	return forged
}

func setHeader(r *kgo.Record, name, value string) {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			r.Headers[i].Value = []byte(value)
		}
	}
}

// countChanged counts the records that did not come back as they were.
func countChanged(before, after []*kgo.Record) (n int) {
	came := make(map[string]*kgo.Record, len(after))
	for _, r := range after {
		came[readHeader(r, paymentHeader)] = r
	}
	for _, r := range before {
		other, ok := came[readHeader(r, paymentHeader)]
		if !ok || !sameRecord(r, other) {
			n++
		}
	}
	return n
}

func readHeader(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func sameRecord(a, b *kgo.Record) bool {
	return a.Partition == b.Partition && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) &&
		(a.Value == nil) == (b.Value == nil) && slices.EqualFunc(a.Headers, b.Headers,
		func(x, y kgo.RecordHeader) bool { return x.Key == y.Key && bytes.Equal(x.Value, y.Value) })
}
