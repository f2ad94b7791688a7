package kafka

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTopicMadeASecondAgo: a broker that has not heard yet of a topic that was
// made a second ago is asked again, by the source and by the sink.
func TestTopicMadeASecondAgo(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.connect(nil)
	b.topic("in", 2)
	b.destination("out", 2)
	var unknown atomic.Int64
	b.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		asked := req.(*kmsg.MetadataRequest)
		if len(asked.Topics) != 1 || unknown.Add(-1) < 0 {
			return nil, nil, false
		}
		res := asked.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.ErrorCode, topic.Topic = kerr.UnknownTopicOrPartition.Code, asked.Topics[0].Topic
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
	const times = 3
	unknown.Store(times)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g"})
	if left := unknown.Load(); left >= 0 {
		t.Errorf("the source was not told: %d of %d answers are left", left, times)
	}
	unknown.Store(times)
	b.sink(c, SinkOptions{Topic: "out", Source: src})
	if left := unknown.Load(); left >= 0 {
		t.Errorf("the sink was not told: %d of %d answers are left", left, times)
	}
}
