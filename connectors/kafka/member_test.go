package kafka

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestTwoOfOneName: of two processes with one instance the older one ends with
// an error of its own, and everything is carried once.
func TestTwoOfOneName(t *testing.T) {
	t.Parallel()
	const n, parts = 20_000, 4
	b := startBroker(t)
	b.topic("in", parts)
	b.put("in", parts, numbered(0, n/2))
	older := b.member("one", ExactlyOnce)
	b.eventually("the first messages", func() bool { return b.written("out") > 1000 })
	younger := b.member("one", ExactlyOnce)
	<-older.ended
	var taken interface{ InstanceTaken() bool }
	if err := older.err; !errors.Is(err, membership.ErrInstanceTaken) || !errors.As(err, &taken) || !strings.Contains(err.Error(), "instance one") {
		t.Errorf("the older one ended with %v", err)
	}
	b.put("in", parts, numbered(n/2, n/2))
	b.eventually("the rest", b.caughtUp)
	if err := younger.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), n); err != nil {
		t.Error(err)
	}
}

// TestStartedAgain: a process that is killed and started again under its name
// has its partitions back at once, and another member goes on with its own
// lanes. That a real broker needs no round for it is tested in testcontainers.
func TestStartedAgain(t *testing.T) {
	t.Parallel()
	const n, parts = 4000, 4
	b := startBroker(t)
	b.topic("in", parts)
	lines := &network{}
	c := b.connect(lines.dial)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Instance: "a", Session: 30 * time.Second, Workers: 2})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	killed := start(t, pipeline.Options{Source: src, Sink: sink, Workers: 2, Grace: time.Millisecond})
	lanes := &laneCount{}
	d := b.connect(nil)
	living := b.source(d, SourceOptions{Topic: "in", Group: "g", Instance: "b", Workers: 2, Observer: lanes})
	other := start(t, pipeline.Options{
		Source: living, Workers: 2,
		Sink: b.sink(d, SinkOptions{Topic: "out", Source: living, Create: true, Delivery: ExactlyOnce}),
	})
	b.eventually("two members", func() bool {
		i := b.GroupInfo("g")
		return i != nil && len(i.Members) == 2 && i.State == "Stable" && src.held.Load() == parts/2
	})
	b.put("in", parts, numbered(0, n/2))
	b.eventually("the first messages", b.caughtUp)
	ended := lanes.ended.Load()
	lines.unplug()
	again := b.member("a", ExactlyOnce)
	b.put("in", parts, numbered(n/2, n/2))
	b.eventually("the rest", b.caughtUp)
	if n := lanes.ended.Load(); n != ended {
		t.Errorf("%d lanes of the other member ended", n-ended)
	}
	if err := errors.Join(again.stop(), other.stop()); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), n); err != nil {
		t.Error(err)
	}
	_ = killed.stop()
}

// TestForeignGroups: a group with members of another program is refused when
// the Source is opened, by the name of its protocol, and so is a session that
// the brokers do not accept.
func TestForeignGroups(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	c := b.connect(nil)
	for name, test := range map[string]struct {
		opts  []kgo.Opt
		names string
	}{
		"range":    {[]kgo.Opt{kgo.Balancers(kgo.RangeBalancer())}, "range"},
		"sticky":   {[]kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}, "cooperative-sticky"},
		"consumer": {[]kgo.Opt{kgo.ServerSideBalancer()}, "consumer"},
	} {
		opts := append(test.opts, kgo.ConsumerGroup(name), kgo.ConsumeTopics("in"))
		foreign := b.client(opts...)
		b.eventually("the other program", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			foreign.PollFetches(ctx)
			i := b.GroupInfo(name)
			return i != nil && i.State == "Stable"
		})
		_, err := NewSource(t.Context(), c, SourceOptions{Topic: "in", Group: name, Log: quiet})
		other, ok := errors.AsType[*membership.ForeignGroupError](err)
		if !ok || !strings.Contains(other.Protocol, test.names) {
			t.Errorf("%s: got %v", name, err)
		}
		if i := b.GroupInfo(name); i.State != "Stable" || len(i.Members) != 1 {
			t.Errorf("%s: the group was disturbed: %+v", name, i)
		}
	}
	_, err := NewSource(t.Context(), b.connect(nil), SourceOptions{Topic: "in", Group: "g", Session: time.Hour, Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "group.max.session.timeout.ms") {
		t.Errorf("a session of an hour: %v", err)
	}
}

// TestAddedPartitions: records of a partition that is added later are all read,
// also those that were there before it was noticed, although the group began
// with new records.
func TestAddedPartitions(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.destination("out", 3)
	b.put("in", 1, numbered(1<<20, 10)) // before the group
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Start: Start{New: true}, Workers: 2})
	src.timing.watch = 300 * time.Millisecond
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src})
	r := start(t, pipeline.Options{Source: src, Sink: sink})
	b.eventually("the start", func() bool { return b.offsetOf("g", "in", 0) == 10 })
	b.partitions("in", 3)
	b.put("in", 3, numbered(0, 60))
	b.eventually("the messages", b.caughtUp)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 60); err != nil {
		t.Error(err)
	}
}

// TestStuckPartitionLeaves: a partition of which a message is held up for good
// goes to another member when the grace is over, and the lane that had it goes
// on with the others. Nothing is lost, doubled or out of order.
func TestStuckPartitionLeaves(t *testing.T) {
	t.Parallel()
	for name, delivery := range map[string]Delivery{"exactly once": ExactlyOnce, "at least once": AtLeastOnce} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n, parts = 400, 2
			b := startBroker(t)
			b.topic("in", parts)
			c := b.connect(nil)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: 1, Grace: 200 * time.Millisecond})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: delivery})
			var stuck, free atomic.Bool
			first := start(t, pipeline.Options{
				Source: src, Sink: sink, Workers: 2,
				NewTransform: pipelinetest.Each(func(ctx context.Context, m *pipeline.Message) error {
					if n := number(m); (n == 100 || n == 101) && !free.Load() { // one of each partition
						stuck.Store(true)
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				}),
			})
			b.put("in", parts, numbered(0, n))
			b.eventually("a message that is held up", stuck.Load)
			second := b.member("", delivery)
			b.eventually("a partition for each", func() bool { return src.held.Load() == 1 })
			free.Store(true)
			b.eventually("the messages", b.caughtUp)
			if err := errors.Join(first.stop(), second.stop()); err != nil {
				t.Error(err)
			}
			b.checkDelivered("out", n, delivery)
		})
	}
}

// TestCutOff: a member that cannot reach its group stops before the end of its
// session, and takes nothing up again before it is heard.
func TestCutOff(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	var cut atomic.Bool
	for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.JoinGroup, kmsg.FindCoordinator} {
		hangUp(b, key, func(int64) bool { return cut.Load() })
	}
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g"})
	var mu sync.Mutex
	served, ended := 0, []error(nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- src.Serve(ctx, func(ctx context.Context, l pipeline.Lane) error {
			mu.Lock()
			served++
			mu.Unlock()
			for {
				if _, err := l.Read(ctx, 1<<10); err != nil {
					mu.Lock()
					ended = append(ended, err)
					mu.Unlock()
					return err
				}
			}
		})
	}()
	count := func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return served, len(ended)
	}
	b.eventually("a lane", func() bool { s, _ := count(); return s == 1 })
	cut.Store(true)
	b.eventually("its end", func() bool { _, e := count(); return e == 1 })
	mu.Lock()
	if !errors.Is(ended[0], pipeline.ErrLost) || !errors.Is(ended[0], membership.ErrLapsed) {
		t.Errorf("the lane ended with %v", ended[0])
	}
	mu.Unlock()
	if s, _ := count(); s != 1 {
		t.Errorf("%d lanes were served", s)
	}
	cut.Store(false)
	b.eventually("another lane", func() bool { s, _ := count(); return s == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestBrokerDeals: members of a group in which the broker deals (KIP-848) come,
// go and are expelled while messages flow.
func TestBrokerDeals(t *testing.T) {
	t.Parallel()
	const n, parts = 20_000, 4
	b := startBroker(t)
	b.topic("in", parts)
	member := func() *run {
		c := b.connect(nil)
		src := b.source(c, SourceOptions{Topic: "in", Group: "g", BrokerDeals: true, Workers: 2})
		sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: ExactlyOnce})
		return start(t, pipeline.Options{Source: src, Sink: sink, Workers: 2, ReadAhead: 16 << 10})
	}
	b.put("in", parts, numbered(0, n/2))
	first := member()
	b.eventually("the first messages", func() bool { return b.written("out") > 1000 })
	second := member()
	b.eventually("two members", func() bool { i := b.GroupInfo("g"); return i != nil && len(i.Members) == 2 })
	b.put("in", parts, numbered(n/2, n/2))
	b.eventually("more messages", func() bool { return b.written("out") > n/2+1000 })
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	b.eventually("the rest", b.caughtUp)
	if err := second.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), n); err != nil {
		t.Error(err)
	}
}

// laneCount counts lanes that have ended.
type laneCount struct{ ended atomic.Int32 }

func (c *laneCount) ServeLane(func(func(string, int64, int64))) func(error) {
	return func(error) { c.ended.Add(1) }
}

func (*laneCount) FetchBytes(int) {}
