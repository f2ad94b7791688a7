package kafka

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// refuseFuture has the broker refuse batches with a record whose time is more
// than an hour ahead, in any topic. With named it says which records.
func (b *broker) refuseFuture(named bool) {
	b.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		refused := false
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.(*kmsg.ProduceRequest).Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.BaseOffset, part.LogStartOffset = rp.Partition, -1, -1
				part.ErrorCode = kerr.NotLeaderForPartition.Code // once more
				for _, i := range futureRecords(b.t, rp.Records) {
					refused, part.ErrorCode = true, kerr.InvalidTimestamp.Code
					if named {
						e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
						e.RelativeOffset = i
						part.ErrorRecords = append(part.ErrorRecords, e)
					}
				}
				topic.Partitions = append(topic.Partitions, part)
			}
			res.Topics = append(res.Topics, topic)
		}
		return res, nil, refused
	})
}

func futureRecords(t testing.TB, set []byte) []int32 {
	return findRecords(t, set, func(m *pipeline.Message) bool { return time.Until(m.Time) > time.Hour })
}

// TestLettersOfTheFuture: records whose time is a year ahead are refused by the
// destination, and become dead letters in a topic that takes no such time
// either. All others are written.
func TestLettersOfTheFuture(t *testing.T) {
	t.Parallel()
	for name, named := range map[string]bool{"named": true, "unnamed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.topic("in", 1)
			b.topic("dead", 1)
			msgs := numbered(0, 60)
			began := time.Now().Truncate(time.Millisecond)
			ahead := []int{20, 21, 44}
			for i := range msgs {
				msgs[i].Time = began.Add(-time.Minute)
				if slices.Contains(ahead, i) {
					msgs[i].Time = began.AddDate(1, 0, 0)
				}
			}
			b.put("in", 1, msgs)
			b.refuseFuture(named)
			c := b.connect(nil)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			o := pipeline.Options{
				Source: src, Sink: b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true}),
				DeadLetters: b.sink(c, SinkOptions{Topic: "dead", Source: src, DeadLetters: true}),
			}
			if err := finish(t, o); err != nil {
				t.Fatal(err)
			}
			if got := numbersOf(b.committed("out")); len(got) != 57 || slices.ContainsFunc(got, func(n int) bool { return slices.Contains(ahead, n) }) {
				t.Errorf("written: %v", got)
			}
			letters := b.committed("dead")
			var origins []string
			for i := range letters {
				if at := letters[i].Time; at.Before(began) || time.Until(at) > 0 {
					t.Errorf("a letter of %v", at)
				}
				for _, h := range letters[i].Headers {
					if h.Name == pipeline.HeaderOrigin {
						origins = append(origins, string(h.Value))
					}
				}
			}
			if want := []string{"in/0@20", "in/0@21", "in/0@44"}; !slices.Equal(origins, want) {
				t.Errorf("letters of %v", origins)
			}
		})
	}
}
