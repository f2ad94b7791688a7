package kafka

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// names has the leader of in/0 name the other broker to readers in a rack, as
// Kafka does: the answer has the true ends and no records. serve answers for
// the replica.
func (b *broker) names(serve func(offset int64, p *kmsg.FetchResponseTopicPartition) error) {
	leader := b.LeaderFor("in", 0)
	b.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		fetch := req.(*kmsg.FetchRequest)
		p := kmsg.NewFetchResponseTopicPartition()
		switch at := b.CurrentNode(); {
		case len(fetch.Topics) == 0 || fetch.Topics[0].Topic != "in" || at == leader && fetch.Rack == "":
			return nil, nil, false
		case at == leader:
			p.HighWatermark, p.LastStableOffset, p.PreferredReadReplica = 10, 10, 1-leader
		default:
			p.PreferredReadReplica = -1
			if err := serve(fetch.Topics[0].Partitions[0].FetchOffset, &p); err != nil {
				return nil, err, true
			}
		}
		res := req.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = "in"
		topic.Partitions = append(topic.Partitions, p)
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
}

// TestReplica: a run with an end that reads a replica in its rack ends where
// the leader's log does, whether the replica lags behind, refuses to answer, or
// goes away.
func TestReplica(t *testing.T) {
	t.Parallel()
	first := five(t)
	for name, serve := range map[string]func(int64, *kmsg.FetchResponseTopicPartition) error{
		"lags": func(offset int64, p *kmsg.FetchResponseTopicPartition) error {
			p.HighWatermark, p.LastStableOffset = 5, 5
			if offset < 5 {
				p.RecordBatches = first
			}
			return nil
		},
		"has not got the offset": func(_ int64, p *kmsg.FetchResponseTopicPartition) error {
			p.ErrorCode = kerr.OffsetOutOfRange.Code
			return nil
		},
		"is none any more": func(_ int64, p *kmsg.FetchResponseTopicPartition) error {
			p.ErrorCode = kerr.NotLeaderForPartition.Code
			return nil
		},
		"hangs up": func(int64, *kmsg.FetchResponseTopicPartition) error { return errors.New("gone") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, kfake.NumBrokers(2))
			b.topic("in", 1)
			b.put("in", 1, numbered(0, 5))
			b.put("in", 1, numbered(5, 5))
			b.names(serve)
			src := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}, Rack: "here"})
			src.timing.told = 100 * time.Millisecond
			sink := b.sink(src.cluster, SinkOptions{Topic: "out", Source: src, Create: true})
			if err := finish(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
				t.Fatal(err)
			}
			if err := onceInOrder(b.committed("out"), 10); err != nil {
				t.Error(err)
			}
			if _, cut := src.Losses(); len(cut) > 0 {
				t.Errorf("a log was cut: %v", cut)
			}
		})
	}
}
