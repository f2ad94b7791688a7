package kafka

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// cutOff has a broker not hear of the others any more, while clients reach it:
// it goes on to say that it leads the topics as it does now, answers fetches
// without records, and stores nothing. The function that it returns joins it
// again.
func (b *broker) cutOff(node int32, topics ...string) (join func()) {
	b.t.Helper()
	var joined atomic.Bool
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		req.Topics = append(req.Topics, topic)
	}
	before, err := req.RequestWith(b.t.Context(), b.client())
	if err != nil {
		b.t.Fatal(err)
	}
	control := func(key kmsg.Key, answer func(kmsg.Request, kmsg.Response)) {
		b.ControlKey(key.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			b.KeepControl()
			if joined.Load() || b.CurrentNode() != node {
				return nil, nil, false
			}
			res := req.ResponseKind()
			answer(req, res)
			return res, nil, true
		})
	}
	control(kmsg.Metadata, func(_ kmsg.Request, res kmsg.Response) {
		version := res.GetVersion()
		*res.(*kmsg.MetadataResponse) = *before
		res.SetVersion(version)
	})
	control(kmsg.Fetch, func(req kmsg.Request, res kmsg.Response) {
		for _, asked := range req.(*kmsg.FetchRequest).Topics {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
			for _, p := range asked.Partitions {
				answer := kmsg.NewFetchResponseTopicPartition()
				answer.Partition, answer.HighWatermark, answer.LastStableOffset = p.Partition, p.FetchOffset, p.FetchOffset
				topic.Partitions = append(topic.Partitions, answer)
			}
			res.(*kmsg.FetchResponse).Topics = append(res.(*kmsg.FetchResponse).Topics, topic)
		}
	})
	control(kmsg.Produce, func(req kmsg.Request, res kmsg.Response) {
		for _, asked := range req.(*kmsg.ProduceRequest).Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
			for _, p := range asked.Partitions {
				answer := kmsg.NewProduceResponseTopicPartition()
				answer.Partition, answer.ErrorCode = p.Partition, 7 // REQUEST_TIMED_OUT
				topic.Partitions = append(topic.Partitions, answer)
			}
			res.(*kmsg.ProduceResponse).Topics = append(res.(*kmsg.ProduceResponse).Topics, topic)
		}
	})
	return func() { joined.Store(true) }
}

// TestLeaderThatIsCutOff: a broker that leads the source and the destination is
// cut off from the others, which choose other leaders. It is the only one that
// the configuration names, and answers as it did before.
func TestLeaderThatIsCutOff(t *testing.T) {
	t.Parallel()
	for _, cut := range []string{"in", "out"} {
		t.Run(cut, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, kfake.NumBrokers(3))
			b.topic("in", 1)
			b.destination("out", 1)
			for _, name := range []string{"in", "out"} {
				at := int32(2)
				if name == cut {
					at = 0
				}
				if err := b.MoveTopicPartition(name, 0, at); err != nil {
					t.Fatal(err)
				}
			}
			o := cluster.Options{Brokers: b.ListenAddrs()[:1], Log: b.log()}
			c, err := cluster.Connect(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g"})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Delivery: AtLeastOnce})
			b.put("in", 1, numbered(0, 10))
			r := start(t, pipeline.Options{Source: src, Sink: sink})
			b.eventually("the first messages", func() bool { return b.PartitionInfo("out", 0).HighWatermark == 10 })
			join := b.cutOff(0, "in", "out")
			if err := b.MoveTopicPartition(cut, 0, 1); err != nil {
				t.Fatal(err)
			}
			others, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()[1]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			if err != nil {
				t.Fatal(err)
			}
			defer others.Close()
			for _, m := range numbered(10, 5) {
				if err := others.ProduceSync(t.Context(), record("in", 0, &m)).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			b.eventually("messages of the new leader", func() bool { return b.PartitionInfo("out", 0).HighWatermark == 15 })
			join()
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if err := onceInOrder(b.committed("out"), 15); err != nil {
				t.Error(err)
			}
		})
	}
}
