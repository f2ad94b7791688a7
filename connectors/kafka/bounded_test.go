package kafka

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestActiveGroup: a bounded run leaves a group alone that has members.
func TestActiveGroup(t *testing.T) {
	t.Parallel()
	for name, delivery := range map[string]Delivery{"exactly once": ExactlyOnce, "at least once": AtLeastOnce} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, 10))
			r := b.member("a", delivery)
			b.eventually("the member", b.caughtUp)
			c := b.connect(nil)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Delivery: delivery})
			if err := finish(t, pipeline.Options{Source: src, Sink: sink}); !errors.Is(err, cluster.ErrGroupActive) {
				t.Errorf("got %v", err)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAddedPartition: a run with an end leaves out a partition that is added
// after it has found the ends.
func TestAddedPartition(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 10))
	src := b.source(b.connect(nil), SourceOptions{Topic: "in", Until: Until{End: true}})
	b.partitions("in", 2)
	if err := src.topics.find("in").ConfirmIdentity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := src.topics.PartitionCount(); n != 2 {
		t.Fatalf("%d partitions are known, not 2", n)
	}
	b.put("in", 2, numbered(10, 10))
	b.destination("out", 2)
	sink := b.sink(src.cluster, SinkOptions{Topic: "out", Source: src})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
		t.Error(err)
	}
	b.checkDelivered("out", 10, ExactlyOnce)
}

// manyTransactions returns the ends of a run with an end that has a transaction
// for every write.
func (b *broker) manyTransactions() (*Source, *Sink) {
	b.t.Helper()
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 300))
	src := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	src.timing.transaction = 0
	return src, b.sink(src.cluster, SinkOptions{Topic: "out", Source: src, Create: true})
}

// TestMemberJoinsRun: a bounded run ends when its group gets a member, since
// that reads the same messages. Brokers do not refuse its transactions.
func TestMemberJoinsRun(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	src, sink := b.manyTransactions()
	other := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g"})
	m, err := membership.New(other.memberOptions(&guest{}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var seen atomic.Int64
	b.ControlKey(int16(kmsg.TxnOffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if seen.Add(1) == 3 {
			b.SleepControl(func() {
				go func() { ended <- m.Run(ctx) }()
				b.eventually("the member", func() bool { return m.Identity().Generation >= 0 })
			})
		}
		return nil, nil, false
	})
	err = finish(t, pipeline.Options{Source: src, Sink: sink, ReadAhead: 8 << 10})
	if !errors.Is(err, cluster.ErrGroupActive) {
		t.Errorf("got %v after %d transactions", err, seen.Load())
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestOneCommitOutside: a bounded run with transactions sends one commit
// outside of them, at its start. One that comes late could set the group back
// behind what the transactions have committed, and the next run would write
// that once more.
func TestOneCommitOutside(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	src, sink := b.manyTransactions()
	var outside atomic.Int64
	b.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		outside.Add(1)
		return nil, nil, false
	})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink, ReadAhead: 8 << 10}); err != nil {
		t.Fatal(err)
	}
	if n := outside.Load(); n != 1 {
		t.Errorf("%d commits outside of transactions", n)
	}
	if at := b.offsetOf("g", "in", 0); at != 300 {
		t.Errorf("the group is at %d", at)
	}
}

// TestTakenOver: a run whose transactional ids another one has taken does not
// take them back.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	src, sink := b.manyTransactions()
	var seen atomic.Int64
	b.ControlKey(int16(kmsg.TxnOffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		if seen.Add(1) == 3 {
			b.SleepControl(func() {
				again := b.source(src.cluster, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
				if err := newProducer(src.cluster, again.laneTransactionalID(0), time.Second).initID(t.Context(), true); err != nil {
					t.Error(err)
				}
			})
		}
		return nil, nil, false
	})
	b.Fault(kfake.Fault{ // as brokers do; kfake lets a producer in that knows an older epoch
		Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ProducerFenced, Count: -1,
		When: func(req kmsg.Request) bool { return req.(*kmsg.InitProducerIDRequest).ProducerID >= 0 },
	})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink, ReadAhead: 8 << 10}); !errors.Is(err, ErrTakenOver) {
		t.Errorf("got %v", err)
	}
	if n := len(b.committed("out")); int64(n) != b.offsetOf("g", "in", 0) || n == 0 {
		t.Errorf("%d messages, and the group is at %d", n, b.offsetOf("g", "in", 0))
	}
}

// TestBounds: a bounded run begins and ends where it is told to.
func TestBounds(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	base := time.UnixMilli(1_700_000_000_000)
	msgs := numbered(0, 100) // 50 in each partition
	for i := range msgs {
		msgs[i].Time = base.Add(time.Duration(i) * time.Second)
	}
	b.put("in", 2, msgs)
	c := b.connect(nil)
	tests := []struct {
		name        string
		start       Start
		until       Until
		partitions  []int32
		first, last int
		count       int
	}{
		{"all", Start{}, Until{End: true}, nil, 0, 99, 100},
		{"offsets", Start{Offset: 10}, Until{Offset: 20}, nil, 20, 39, 20},
		{"times", Start{Time: base.Add(30 * time.Second)}, Until{Time: base.Add(60 * time.Second)}, nil, 30, 59, 30},
		{"later", Start{Time: base.Add(time.Hour)}, Until{End: true}, nil, 0, 0, 0},
		{"a partition", Start{}, Until{End: true}, []int32{1, 1}, 1, 99, 50},
		{"beyond", Start{Offset: 1000}, Until{Offset: 2000}, nil, 0, 0, 0},
	}
	for i, test := range tests {
		for _, group := range []string{"", "g" + strconv.Itoa(i)} {
			out := "out" + group + strconv.Itoa(i)
			src := b.source(c, SourceOptions{
				Topic: "in", Group: group, Start: test.start, Until: test.until, Partitions: test.partitions,
			})
			sink := b.sink(c, SinkOptions{Topic: out, Source: src, Create: true})
			if sink.ExactlyOnce() != (group != "") {
				t.Errorf("exactly once is %t with group %q", sink.ExactlyOnce(), group)
			}
			for range 2 {
				if err := finish(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
					t.Fatalf("%s: %v", test.name, err)
				}
				if group == "" {
					break // it would begin again
				}
			}
			got := b.committed(out)
			if len(got) != test.count {
				t.Errorf("%s, group %q: %d messages, want %d", test.name, group, len(got), test.count)
			}
			for k := range got {
				if n := number(&got[k]); n < test.first || n > test.last {
					t.Errorf("%s, group %q: message %d is out of bounds", test.name, group, n)
				}
			}
		}
	}
}

// TestStartNew: what is written while the first lane has committed nothing is
// not lost with the lane.
func TestStartNew(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(100, 10))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Start: Start{New: true}})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	r := start(t, pipeline.Options{Source: src, Sink: sink})
	b.eventually("the first offset", func() bool { i := b.GroupInfo("g"); return i != nil && i.Commits["in"][0].Offset == 10 })
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	b.put("in", 1, numbered(0, 10))
	r2 := b.member("a", ExactlyOnce)
	b.eventually("the rest", b.caughtUp)
	if err := r2.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 10); err != nil {
		t.Error(err)
	}
}

// TestDeletedRecords: records that retention took before they were read are
// skipped and said.
func TestDeletedRecords(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 20))
	c := b.connect(nil)
	if err := c.CommitOffsets(t.Context(), cluster.NoMember("g"), []cluster.Offset{{Topic: "in", Next: 5, LeaderEpoch: -1}}); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteRecords("in", 0, 12); err != nil {
		t.Fatal(err)
	}
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	err := finish(t, pipeline.Options{Source: src, Sink: sink})
	if lost, ok := errors.AsType[*DeletedError](err); !ok || lost.Deleted["in/0"] != 7 {
		t.Fatalf("got %v", err)
	}
	if got := b.committed("out"); len(got) != 8 || number(&got[0]) != 12 {
		t.Errorf("%d messages", len(got))
	}

	// Nothing is left of the topic: the group is at its end then, and the next
	// run has lost nothing.
	b.put("in", 1, numbered(20, 10))
	if err := b.DeleteRecords("in", 0, 30); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		src = b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
		err := finish(t, pipeline.Options{Source: src, Sink: b.sink(c, SinkOptions{Topic: "out", Source: src})})
		if lost, ok := errors.AsType[*DeletedError](err); ok != (i == 0) || ok && lost.Deleted["in/0"] != 10 {
			t.Errorf("run %d: got %v", i, err)
		}
		if at := b.offsetOf("g", "in", 0); at != 30 {
			t.Errorf("run %d: the group is at %d", i, at)
		}
	}

	// An offset beyond the end is another topic's, or a truncated one's.
	if err := c.CommitOffsets(t.Context(), cluster.NoMember("h"), []cluster.Offset{{Topic: "in", Next: 500, LeaderEpoch: -1}}); err != nil {
		t.Fatal(err)
	}
	src = b.source(c, SourceOptions{Topic: "in", Group: "h", Until: Until{End: true}})
	src.untilOffsets = []int64{600}
	if err := finish(t, pipeline.Options{Source: src, Sink: b.sink(c, SinkOptions{Topic: "out", Source: src})}); err == nil || !strings.Contains(err.Error(), "in/0@500") {
		t.Errorf("got %v", err)
	}
}

// TestStatus: position, end and lag of every partition are known, and of a
// bounded run what is left.
func TestStatus(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	b.put("in", 2, numbered(0, 100))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g"})
	if cluster, id := src.Identity(); cluster == "" || id == [16]byte{} {
		t.Errorf("the topic is %q, %x", cluster, id)
	}
	if _, p, ok := src.Partition("in/1"); p != 1 || !ok {
		t.Errorf("in/1 is partition %d, %t", p, ok)
	}
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	r := start(t, pipeline.Options{Source: src, Sink: sink})
	b.eventually("a lag of 0", func() bool {
		s := src.Status()
		return len(s) == 2 && s[0].Position == 50 && s[1].Position == 50 && s[0].Lag()+s[1].Lag() == 0 && s[1].End == 50
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if s := src.Status(); len(s) != 0 {
		t.Errorf("after the end: %+v", s)
	}
}
