package kafka

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestEndings: a bounded run ends behind the last record that counts, whatever
// lies behind that, and its group is then at the end, so that the next run has
// nothing to do.
func TestEndings(t *testing.T) {
	t.Parallel()
	commit := func(b *broker, msgs []pipeline.Message) { b.transact("in", 0, msgs, kgo.TryCommit) }
	abort := func(b *broker, n int) { b.abort("in", 0, numbered(1<<20, n)) }
	tests := map[string]struct {
		fill func(b *broker)
		n    int   // messages that count
		end  int64 // where the group is then
	}{
		"nothing":      {func(*broker) {}, 0, 0},
		"all aborted":  {func(b *broker) { abort(b, 3); abort(b, 50); abort(b, 1) }, 0, 57},
		"aborted last": {func(b *broker) { b.put("in", 1, numbered(0, 10)); abort(b, 20) }, 10, 31},
		"marker last":  {func(b *broker) { commit(b, numbered(0, 10)) }, 10, 11},
		"aborted between markers": {func(b *broker) {
			commit(b, numbered(0, 10))
			abort(b, 5)
			commit(b, numbered(10, 1))
			abort(b, 1)
			abort(b, 1)
		}, 11, 23},
		"still open last": {func(b *broker) { // what is behind the last stable offset is not there yet
			b.put("in", 1, numbered(0, 10))
			b.begun("in", 0, numbered(10, 5))
			b.put("in", 1, numbered(15, 5))
		}, 10, 10},
	}
	for name, test := range tests {
		for kind, delivery := range map[string]Delivery{"exactly once": ExactlyOnce, "at least once": AtLeastOnce} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				b := startBroker(t)
				b.topic("in", 1)
				test.fill(b)
				c := b.connect(nil)
				for range 2 {
					src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
					sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: delivery})
					if err := finish(t, pipeline.Options{Source: src, Sink: sink, ReadAhead: 1 << 10}); err != nil {
						t.Fatal(err)
					}
					if err := onceInOrder(b.committed("out"), test.n); err != nil {
						t.Error(err)
					}
					if at := b.offsetOf("g", "in", 0); at != test.end {
						t.Errorf("the group is at %d, want %d", at, test.end)
					}
				}
			})
		}
	}
}

// abort writes messages in a transaction that is aborted.
func (b *broker) abort(topic string, partition int32, msgs []pipeline.Message) {
	b.t.Helper()
	b.transact(topic, partition, msgs, kgo.TryAbort)
}

// transact writes messages in a transaction of their own.
func (b *broker) transact(topic string, partition int32, msgs []pipeline.Message, end kgo.TransactionEndTry) {
	b.t.Helper()
	c := b.begun(topic, partition, msgs)
	if err := c.EndTransaction(b.t.Context(), end); err != nil {
		b.t.Fatal(err)
	}
	c.Close()
}

// begun writes messages in a transaction that stays open, as one batch: of the
// partition at which an answer is full, kfake leaves out what was aborted, so
// that the next batch of one that was would look like any other. (Real brokers
// do not; the container tests have such transactions.)
func (b *broker) begun(topic string, partition int32, msgs []pipeline.Message) *kgo.Client {
	b.t.Helper()
	b.transactions++
	c := b.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(fmt.Sprint("test-", b.transactions)))
	if err := c.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
	rs := make([]*kgo.Record, len(msgs))
	for i := range msgs {
		rs[i] = record(topic, partition, &msgs[i])
	}
	if err := c.ProduceSync(b.t.Context(), rs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	return c
}
