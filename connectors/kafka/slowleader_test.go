package kafka

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestLeaderThatHoldsAWrite: the leader of the destination is cut off from the
// other brokers and answers a write not at all. Another broker leads by then, so
// the write is given up, and the same batch goes there.
func TestLeaderThatHoldsAWrite(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(3))
	b.topic("in", 1)
	b.destination("out", 1)
	for name, at := range map[string]int32{"in": 2, "out": 0} {
		if err := b.MoveTopicPartition(name, 0, at); err != nil {
			t.Fatal(err)
		}
	}
	c := b.connect(nil)
	c.Wire().Timeout = 2 * patient // or the write would end by itself
	src := b.source(c, SourceOptions{Topic: "in", Group: "g"})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Delivery: AtLeastOnce})
	sink.slow = 50 * time.Millisecond
	b.put("in", 1, numbered(0, 10))
	r := start(t, pipeline.Options{Source: src, Sink: sink})
	b.eventually("the first messages", func() bool { return b.PartitionInfo("out", 0).HighWatermark == 10 })

	var held atomic.Int64
	over := make(chan struct{})
	b.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if b.CurrentNode() == 0 && held.Add(1) == 1 {
			b.SleepControl(func() { <-over })
		}
		return nil, nil, false
	})
	b.put("in", 1, numbered(10, 5))
	b.eventually("a write that is held", func() bool { return held.Load() > 0 })
	if err := b.MoveTopicPartition("out", 0, 1); err != nil {
		t.Fatal(err)
	}
	b.eventually("messages of the new leader", func() bool { return b.PartitionInfo("out", 0).HighWatermark == 15 })
	close(over)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 15); err != nil {
		t.Error(err)
	}
}
