package kafka

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// member starts a pipeline from in to out that is a member of group g.
func (b *broker) member(instance string, delivery Delivery) *run {
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Instance: instance, Workers: 2})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: delivery})
	return start(b.t, pipeline.Options{Source: src, Sink: sink, Workers: 2, ReadAhead: 16 << 10})
}

// written is how many offsets of a topic have been written, markers included.
func (b *broker) written(topic string) (n int64) {
	for _, p := range b.PartitionInfos(topic) {
		n += p.HighWatermark
	}
	return n
}

// caughtUp tells whether group g has committed all that in holds.
func (b *broker) caughtUp() bool {
	info := b.GroupInfo("g")
	if info == nil {
		return false
	}
	for _, p := range b.PartitionInfos("in") {
		if info.Commits["in"][p.Partition].Offset < p.HighWatermark {
			return false
		}
	}
	return true
}

// TestRebalanceUnderLoad lets members come and go while messages flow.
func TestRebalanceUnderLoad(t *testing.T) {
	t.Parallel()
	for name, delivery := range map[string]Delivery{"exactly once": ExactlyOnce, "at least once": AtLeastOnce} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n, parts = 30_000, 4
			b := startBroker(t)
			b.topic("in", parts)
			b.put("in", parts, numbered(0, n/3))
			first := b.member("a", delivery)
			b.eventually("the first messages", func() bool { return b.written("out") > 100 })
			second := b.member("b", delivery)
			b.put("in", parts, numbered(n/3, n/3))
			b.eventually("two members", func() bool { i := b.GroupInfo("g"); return i != nil && len(i.Members) == 2 && i.State == "Stable" })
			b.put("in", parts, numbered(2*n/3, n-2*(n/3)))
			if err := second.stop(); err != nil {
				t.Error(err)
			}
			b.eventually("the last messages", b.caughtUp)
			if err := first.stop(); err != nil {
				t.Error(err)
			}
			b.checkDelivered("out", n, delivery)
		})
	}
}

// TestExpelled: members that the group has forgotten begin again, and nothing
// is lost, doubled or out of order.
func TestExpelled(t *testing.T) {
	t.Parallel()
	const n, parts = 20_000, 4
	b := startBroker(t)
	b.topic("in", parts)
	first, second := b.member("a", ExactlyOnce), b.member("", ExactlyOnce)
	for i := range 4 {
		b.put("in", parts, numbered(i*n/4, n/4))
		b.eventually("some messages", func() bool { return b.written("out") > int64(i*n/4+100) })
		b.expel("g")
	}
	b.eventually("the last messages", b.caughtUp)
	if err := errors.Join(first.stop(), second.stop()); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), n); err != nil {
		t.Error(err)
	}
}

// checkDelivered checks that a topic holds 0..n-1 in order, as a delivery
// promises it.
func (b *broker) checkDelivered(topic string, n int, delivery Delivery) {
	b.t.Helper()
	msgs := b.committed(topic)
	if delivery == AtLeastOnce {
		msgs = firsts(msgs)
	}
	if err := onceInOrder(msgs, n); err != nil {
		b.t.Error(err)
	}
}

// firsts drops messages that were there before.
func firsts(msgs []pipeline.Message) []pipeline.Message {
	seen := make(map[int]bool)
	return slices.DeleteFunc(msgs, func(m pipeline.Message) bool {
		n := number(&m)
		defer func() { seen[n] = true }()
		return seen[n]
	})
}

// TestNewPartitions: partitions that a topic gets later are read, too.
func TestNewPartitions(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.destination("out", 3)
	b.put("in", 1, numbered(0, 10))
	r := b.member("a", ExactlyOnce)
	b.eventually("the first messages", b.caughtUp)
	b.partitions("in", 3)
	b.put("in", 3, numbered(10, 30))
	b.eventually("the rest", b.caughtUp)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 40); err != nil {
		t.Error(err)
	}
}

func (b *broker) partitions(topic string, count int32) {
	b.t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, count
	req.Topics = append(req.Topics, rt)
	if _, err := req.RequestWith(b.t.Context(), b.client()); err != nil {
		b.t.Fatal(err)
	}
}

// TestCountOfBefore: a broker that has not heard of partitions which were added
// does not have the group's leader take them from their members.
func TestCountOfBefore(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	src := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g"})
	topic := src.topics.find("in")
	added := &wire.Topic{Name: "in", ID: topic.ID(), Partitions: make([]wire.Partition, 3)}
	if err := topic.Note(added); err != nil {
		t.Fatal(err)
	}
	counts, err := layout{src}.CountPartitions(t.Context(), []string{"in"})
	if err != nil || counts["in"] != 3 {
		t.Errorf("%v, %v", counts, err)
	}
}

// TestRoundsStopNobody: lanes go on while the group goes through rounds that
// leave them their partitions.
func TestRoundsStopNobody(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 4)
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: 2, Session: 6 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var reading, ended atomic.Int64
	served := make(chan error)
	go func() {
		served <- src.Serve(ctx, func(ctx context.Context, l pipeline.Lane) error {
			reading.Add(1)
			defer ended.Add(1)
			_, err := l.Read(ctx, 1<<10)
			if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
				t.Errorf("read ended with %v", err)
			}
			return nil
		})
	}()
	b.eventually("two lanes", func() bool { return reading.Load() == 2 })
	joins := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SyncGroup}, Observe: true, Count: -1})
	for n := range 3 {
		b.rebalance("g")
		b.eventually("a round", func() bool { return joins.Hits() > n })
	}
	b.eventually("a group at rest", func() bool { return b.GroupInfo("g").State == "Stable" })
	if reading.Load() != 2 || ended.Load() != 0 {
		t.Errorf("%d lanes were served and %d ended", reading.Load(), ended.Load())
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if reading.Load() != ended.Load() {
		t.Errorf("%d lanes were served and %d ended", reading.Load(), ended.Load())
	}
}

// TestParkedLaneKeepsItsPartitions: what cannot be carried is not handed around
// the group, and the other lanes go on.
func TestParkedLaneKeepsItsPartitions(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	b.destination("out", 2)
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: 2})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src})
	parked := make(chan error, 10)
	poison := errors.New("poison")
	r := start(t, pipeline.Options{
		Source: src, Sink: sink, Workers: 2, Observer: &pipelinetest.Recorder{Parked: func(_ string, err error) { parked <- err }},
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if number(m) == 4 {
				return poison
			}
			return nil
		}),
	})
	b.put("in", 2, numbered(0, 6)) // 0 2 4 in one partition, 1 3 5 in the other
	if err := <-parked; !errors.Is(err, poison) {
		t.Fatal(err)
	}
	b.put("in", 2, numbered(6, 100))
	b.eventually("the other partition", func() bool {
		i := b.GroupInfo("g")
		return i.Commits["in"][1].Offset == 53 && i.Commits["in"][0].Offset == 2
	})
	if i := b.GroupInfo("g"); len(i.Members) != 1 {
		t.Errorf("%d members", len(i.Members))
	}
	if err := r.stop(); !errors.Is(err, poison) {
		t.Errorf("the run ended with %v", err)
	}
}

// TestIdleMember: a member without partitions stays in the group and does not
// make it rebalance.
func TestIdleMember(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	first, second := b.member("a", ExactlyOnce), b.member("b", ExactlyOnce)
	b.eventually("two members", func() bool { i := b.GroupInfo("g"); return i != nil && len(i.Members) == 2 && i.State == "Stable" })
	joins := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	b.put("in", 1, numbered(0, 100))
	b.eventually("the messages", b.caughtUp)
	b.put("in", 1, numbered(100, 100))
	b.eventually("more messages", b.caughtUp)
	if n := joins.Hits(); n > 0 {
		t.Errorf("the members joined %d times again", n)
	}
	if err := errors.Join(first.stop(), second.stop()); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 200); err != nil {
		t.Error(err)
	}
}

// TestKilledInTheMiddle stops a process, as SIGKILL does, when it has written
// offsets into a transaction and not ended it. One of the same name that is
// started after it aborts the transaction at once.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	const n = 300
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, n))
	lines := &network{}
	killed := make(chan struct{})
	var ends atomic.Int64
	lines.lose = func(key kmsg.Key) bool {
		if key == kmsg.EndTxn && ends.Add(1) == 3 {
			lines.unplug()
			close(killed)
		}
		return false
	}
	c := b.connect(lines.dial)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Instance: "one"})
	src.timing.transaction = 0
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	r := start(t, pipeline.Options{Source: src, Sink: sink, Workers: 2, ReadAhead: 8 << 10, Grace: time.Millisecond})
	<-killed

	next := b.member("one", ExactlyOnce)
	b.eventually("the rest", b.caughtUp)
	if err := next.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), n); err != nil {
		t.Error(err)
	}
	_ = r.stop()
}

func (b *broker) eventually(what string, done func() bool) {
	b.t.Helper()
	eventually(b.t, what, done)
}
