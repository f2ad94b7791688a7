package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// TestOpenTransaction: a run with an end waits for a transaction that is open
// in the source when it begins, and says so. Records of it count if it is
// committed, and those behind it in any case.
func TestOpenTransaction(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]kgo.TransactionEndTry{"commit": kgo.TryCommit, "abort": kgo.TryAbort} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, 10))
			open := b.begun("in", 0, numbered(10, 5))
			b.put("in", 1, numbered(15, 5))
			src, log := b.patientSource(time.Hour)
			sink := b.sink(src.cluster, SinkOptions{Topic: "out", Source: src, Create: true})
			r := start(t, pipeline.Options{Source: src, Sink: sink})
			b.eventually("an error", func() bool { return log.has("level=ERROR", "partition=in/0", "offset=10", "behind=10") })
			if !log.has("producer_id=", "abort --topic in --partition 0 --start-offset 10") {
				t.Errorf("it names neither the producer nor the command:\n%s", log)
			}
			if err := open.EndTransaction(t.Context(), end); err != nil {
				t.Fatal(err)
			}
			<-r.ended
			if r.err != nil {
				t.Error(r.err)
			}
			got := b.committed("out")
			if end == kgo.TryAbort {
				for i := range got[min(10, len(got)):] {
					if n := number(&got[10+i]); n != 15+i {
						t.Errorf("message %d is number %d", 10+i, n)
					}
				}
				if len(got) != 15 {
					t.Errorf("%d messages", len(got))
				}
			} else if err := onceInOrder(got, 20); err != nil {
				t.Error(err)
			}
			if at := b.offsetOf("g", "in", 0); at != 20 {
				t.Errorf("the group is at %d", at)
			}
		})
	}
}

// TestHangingTransaction: a run with an end gives up a partition in which a
// transaction never ends, and carries the others.
func TestHangingTransaction(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	b.put("in", 2, numbered(0, 20))
	b.begun("in", 0, numbered(20, 1))
	b.put("in", 2, numbered(22, 20))
	src, _ := b.patientSource(300 * time.Millisecond)
	sink := b.sink(src.cluster, SinkOptions{Topic: "out", Source: src, Create: true})
	err := finish(t, pipeline.Options{Source: src, Sink: sink})
	hanging, ok := errors.AsType[*OpenTransactionError](err)
	if !ok || hanging.Place != "in/0" || hanging.Stable != 10 || hanging.Behind != 11 {
		t.Errorf("got %v", err)
	}
	if n := len(b.committed("out")); n != 30 {
		t.Errorf("%d messages", n)
	}
}

// patientSource returns a source of a run with an end that tells at once of
// transactions which it waits for, and gives up after a while; and its log.
func (b *broker) patientSource(giveUp time.Duration) (*Source, *logged) {
	log := new(logged)
	src := b.source(b.connect(nil), SourceOptions{
		Topic: "in", Group: "g", Until: Until{End: true}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	src.timing.told, src.timing.urgent, src.timing.giveUp = time.Millisecond, 100*time.Millisecond, giveUp
	return src, log
}

// logged is what was logged.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// has tells whether a line has all of these texts.
func (l *logged) has(texts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	})
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
