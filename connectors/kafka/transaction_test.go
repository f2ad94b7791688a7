package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// step is a transaction and two writers of it: one of messages, one of dead
// letters.
type step struct {
	*transaction
	b             *broker
	good, letters *writer
	broken        chan error
	more          bool // something is waiting
}

func newStep(b *broker, length time.Duration, o cluster.Owner) *step {
	b.t.Helper()
	b.topic("in", 1)
	b.topic("out", 1)
	b.topic("dead", 1)
	c := b.connect(nil)
	p := newProducer(c, "tx", 10*time.Second)
	if err := p.initID(b.t.Context(), true); err != nil {
		b.t.Fatal(err)
	}
	s := &step{b: b, broken: make(chan error, 1)}
	s.transaction = &transaction{
		producer: p, owner: fixedOwner(o), length: length,
		waiting: func() bool { return s.more }, broken: func(err error) { s.broken <- err },
		settled: func([]cluster.Offset) {}, lost: func() error { return nil },
	}
	s.startLoop()
	write := func(topic string, positions bool) *writer {
		return &writer{
			sink: b.sink(c, SinkOptions{Topic: topic}), producer: p, transaction: s.transaction, positions: positions,
		}
	}
	s.good, s.letters = write("out", true), write("dead", false)
	return s
}

// age makes what is open, and what was, old.
func (s *step) age(t *testing.T) {
	t.Helper()
	if err := s.takeToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.putToken()
	s.opened, s.before = s.opened.Add(-2*time.Hour), s.before.Add(-2*time.Hour)
}

// awaitClosed waits for a transaction that is being closed, and tells how that
// went.
func (s *step) awaitClosed(ctx context.Context) error {
	if err := s.takeToken(ctx); err != nil {
		return err
	}
	s.putToken()
	return nil
}

// visible is how many committed messages a topic holds, without waiting for
// those of an open transaction.
func (s *step) visible(topic string) (n int) {
	info := s.b.PartitionInfo(topic, 0)
	if info.LastStableOffset < info.HighWatermark {
		return -1
	}
	return len(s.b.committed(topic))
}

func upTo(next int64) *pipeline.Progress {
	return &pipeline.Progress{Messages: 1, Places: []pipeline.Position{{Place: "in/0", Next: next, Last: next - 1}}}
}

func from(msgs []pipeline.Message) []pipeline.Message {
	for i := range msgs {
		msgs[i].Origin = pipeline.Origin{Place: "in/0", Offset: int64(number(&msgs[i]))}
	}
	return msgs
}

// TestStepIsWhole: a transaction never closes between a write and its position,
// whatever its age, and dead letters become visible with the messages they
// stand between.
func TestStepIsWhole(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newStep(b, time.Hour, cluster.NoMember("g"))
	defer s.stopLoop()
	s.more = true
	ctx := t.Context()
	if err := errors.Join(s.letters.Write(ctx, from(numbered(0, 1)), nil), s.good.Write(ctx, from(numbered(1, 1)), nil)); err != nil {
		t.Fatal(err)
	}
	s.age(t)
	if err := s.closeExpired(ctx); err != nil {
		t.Fatal(err)
	}
	if g, l := s.visible("out"), s.visible("dead"); g != -1 || l != -1 {
		t.Errorf("in the middle of a step %d messages and %d letters are visible", g, l)
	}
	if err := errors.Join(s.good.Write(ctx, from(numbered(2, 1)), upTo(3)), s.letters.Write(ctx, nil, upTo(3)), s.awaitClosed(ctx)); err != nil {
		t.Fatal(err)
	}
	if g, l := s.visible("out"), s.visible("dead"); g != 2 || l != 1 {
		t.Errorf("after the step %d messages and %d letters are visible", g, l)
	}
	if at := b.offsetOf("g", "in", 0); at != 3 {
		t.Errorf("the group is at %d", at)
	}
	if e := b.GroupInfo("g").Commits["in"][0].LeaderEpoch; e != -1 {
		t.Errorf("leader epoch %d was made up", e)
	}
}

// TestTransactionCloses: by itself after its time, and at once if nothing waits
// and the one before was opened that long ago.
func TestTransactionCloses(t *testing.T) {
	t.Parallel()
	const length = 200 * time.Millisecond
	b := startBroker(t)
	s := newStep(b, length, cluster.NoMember("g"))
	defer s.stopLoop()
	ctx := t.Context()
	write := func(n int) {
		if err := errors.Join(s.good.Write(ctx, from(numbered(n, 1)), upTo(int64(n+1))), s.awaitClosed(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	opened := time.Now()
	write(0) // nothing waits, and there was none before
	if n := s.visible("out"); n != 1 {
		t.Errorf("the first transaction was not closed at once: %d", n)
	}
	write(1) // the one before was opened just now
	if n := s.visible("out"); n != -1 && time.Since(opened) < length {
		t.Errorf("the second transaction was closed at once: %d", n)
	}
	b.eventually("the second to close by itself", func() bool { return s.visible("out") == 2 })
	if time.Since(opened) < length {
		t.Error("it did so before its time")
	}
	s.more = true
	s.age(t) // only what waits keeps the third one open
	third := time.Now()
	write(2)
	if n := s.visible("out"); n != -1 && time.Since(third) < length {
		t.Errorf("the third transaction was closed before what waits: %d", n)
	}
	if err := s.good.Close(ctx); err != nil {
		t.Error(err)
	}
	if n := s.visible("out"); n != 3 {
		t.Errorf("closing left it at %d", n)
	}
}

// TestNothingToEnd: a step of which all places are parked has neither messages
// nor positions. The coordinator knows no transaction then, and is asked to end
// none; the next step is one as ever.
func TestNothingToEnd(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newStep(b, 0, cluster.NoMember("g"))
	defer s.stopLoop()
	var ends atomic.Int64
	b.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		ends.Add(1)
		return nil, nil, false
	})
	ctx := t.Context()
	if err := errors.Join(s.good.Write(ctx, nil, &pipeline.Progress{}), s.awaitClosed(ctx)); err != nil {
		t.Fatal(err)
	}
	if n := ends.Load(); n != 0 {
		t.Errorf("%d transactions without content were ended", n)
	}
	if err := errors.Join(s.good.Write(ctx, from(numbered(0, 1)), upTo(1)), s.awaitClosed(ctx)); err != nil {
		t.Fatal(err)
	}
	if n := s.visible("out"); n != 1 || ends.Load() != 1 {
		t.Errorf("%d messages are visible after %d ends", n, ends.Load())
	}
}

// TestCloseWithinAStep takes everything of the transaction back, and says so.
func TestCloseWithinAStep(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newStep(b, time.Hour, cluster.NoMember("g"))
	s.more = true
	ctx := t.Context()
	if err := errors.Join(s.good.Write(ctx, from(numbered(0, 1)), upTo(1)), s.good.Write(ctx, from(numbered(1, 1)), nil)); err != nil {
		t.Fatal(err)
	}
	if err := s.good.Close(ctx); !errors.Is(err, pipeline.ErrLost) {
		t.Errorf("got %v", err)
	}
	s.stopLoop()
	if n := s.visible("out"); n != 0 {
		t.Errorf("%d messages are visible", n)
	}
}

// TestOffsetsAreConfirmed: without a membership the group is looked at after
// its offsets were committed, at most once a second and when the lane ends. If
// it has members the transaction has failed.
func TestOffsetsAreConfirmed(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newStep(b, 0, cluster.NoMember("g"))
	defer s.stopLoop()
	var at []int64
	var refusal error
	s.confirm = func(context.Context) error {
		at = append(at, s.offsets[0].Next)
		return refusal
	}
	write := func(n int) error {
		return errors.Join(s.good.Write(t.Context(), from(numbered(n, 1)), upTo(int64(n+1))), s.awaitClosed(t.Context()))
	}
	setSure := func(sure time.Time) {
		if err := s.takeToken(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.sure = sure
		s.putToken()
	}
	for n := range 3 {
		if err := write(n); err != nil {
			t.Fatal(err)
		}
		setSure(time.Now().Add(time.Hour))
	}
	for range 2 {
		if err := s.good.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(at, []int64{1, 3}) {
		t.Errorf("confirmed at %v", at)
	}
	setSure(time.Time{})
	refusal = cluster.ErrGroupActive
	if err := write(3); !errors.Is(err, cluster.ErrGroupActive) {
		t.Errorf("got %v", err)
	}
	if err := s.good.Close(t.Context()); !errors.Is(err, cluster.ErrGroupActive) {
		t.Errorf("closing: %v", err)
	}
}

// TestEndRefused: a transaction counts only when the brokers have said so.
func TestEndRefused(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newStep(b, time.Hour, cluster.NoMember("g"))
	defer s.stopLoop()
	s.more = true
	if err := s.good.Write(t.Context(), from(numbered(0, 1)), upTo(1)); err != nil {
		t.Fatal(err)
	}
	refuse(kerr.UnknownServerError, nil)(b, kmsg.EndTxn, func(n int64) bool { return n == 1 })
	if err := s.good.Close(t.Context()); !errors.Is(err, pipeline.ErrLost) {
		t.Errorf("got %v", err)
	}
	if n := s.visible("out"); n != 0 {
		t.Errorf("%d messages are visible", n)
	}
}

// TestUnknownOutcome: after a request that may still be on its way, the next
// transaction has an epoch of its own, so that the late request cannot end it
// or add to it. Where the epoch does not move by itself with each transaction,
// the producer is initialised anew: the defence against delayed requests that
// Jepsen asks of clients (Bufstream 0.1.0, 2024).
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key    kmsg.Key
		opts   []kfake.Opt
		epochs int16
	}{
		{kmsg.EndTxn, []kfake.Opt{beforeKIP890}, 1},
		{kmsg.TxnOffsetCommit, []kfake.Opt{beforeKIP890}, 1},
		{kmsg.EndTxn, nil, 3},
		{kmsg.TxnOffsetCommit, nil, 3},
	} {
		key := test.key
		t.Run(fmt.Sprint(key.Name(), len(test.opts)), func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, test.opts...)
			s := newStep(b, 0, cluster.NoMember("g"))
			defer s.stopLoop()
			hits := hangUp(b, key, func(n int64) bool { return n == 1 })
			before := s.producer.epoch
			for i := range 3 {
				if err := errors.Join(s.good.Write(t.Context(), from(numbered(i, 1)), upTo(int64(i+1))), s.awaitClosed(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			if hits() != 1 || s.producer.epoch != before+test.epochs || s.producer.implicit != (test.opts == nil) {
				t.Errorf("%d connections were closed, and the epoch went from %d to %d", hits(), before, s.producer.epoch)
			}
			if n := s.visible("out"); n != 3 {
				t.Errorf("%d messages are visible", n)
			}
		})
	}
}

// TestReleaseAborts: what is open when the lane is let go does not hold up
// readers until the brokers notice.
func TestReleaseAborts(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newStep(b, time.Hour, cluster.NoMember("g"))
	s.more = true
	if err := s.good.Write(t.Context(), from(numbered(0, 1)), upTo(1)); err != nil {
		t.Fatal(err)
	}
	s.stopLoop()
	if n := s.visible("out"); n != 0 {
		t.Errorf("%d messages are visible", n)
	}
	if err := s.good.Write(t.Context(), from(numbered(0, 1)), upTo(1)); err == nil {
		t.Error("a released transaction was written to")
	}
}

// TestStaleOwner: an owner that has lost its partitions can neither move their
// offsets nor keep what it wrote.
func TestStaleOwner(t *testing.T) {
	t.Parallel()
	for _, stale := range []string{"", "generation", "member"} {
		t.Run(stale, func(t *testing.T) {
			b := startBroker(t)
			b.topic("others", 1)
			member, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{ID: "g", Brokers: b.ListenAddrs(), Topics: []string{"others"}})
			if err != nil {
				t.Fatal(err)
			}
			defer member.Close()
			generation, err := member.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			o := cluster.Owner{Group: "g", Generation: generation.ID, Member: generation.MemberID}
			switch stale {
			case "generation":
				o.Generation--
			case "member":
				o.Member = "somebody"
			}
			s := newStep(b, time.Hour, o)
			defer s.stopLoop()
			err = errors.Join(s.good.Write(t.Context(), from(numbered(0, 1)), upTo(1)), s.awaitClosed(t.Context()))
			if want := stale != ""; errors.Is(err, pipeline.ErrLost) != want || err != nil != want {
				t.Errorf("got %v", err)
			}
			if n := s.visible("out"); n == 0 != (stale != "") {
				t.Errorf("%d messages are visible", n)
			}
			err = s.producer.cluster.CommitOffsets(t.Context(), o, []cluster.Offset{{Topic: "in", Next: 9}})
			if want := stale != ""; err != nil != want || want && cluster.JudgeError(err) != cluster.Lost {
				t.Errorf("outside a transaction: %v", err)
			}
		})
	}
}

// TestBrokenWhileIdle: a transaction that cannot be closed while nobody writes
// ends the lane.
func TestBrokenWhileIdle(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newStep(b, time.Hour, cluster.Owner{Group: "g", Generation: 7, Member: "nobody"}) // or a slow write would close it itself
	defer s.stopLoop()
	s.more = true
	if err := s.good.Write(t.Context(), from(numbered(0, 1)), upTo(1)); err != nil {
		t.Fatal(err)
	}
	s.age(t)
	s.due <- time.Now()
	if err := <-s.broken; !errors.Is(err, pipeline.ErrLost) {
		t.Errorf("got %v", err)
	}
	if err := s.good.Write(t.Context(), from(numbered(1, 1)), upTo(2)); !errors.Is(err, pipeline.ErrLost) {
		t.Errorf("got %v", err)
	}
	if n := s.visible("out"); n != 0 {
		t.Errorf("%d messages are visible", n)
	}
}

// TestDeadLetters: they go in the transaction of the messages they stand
// between, and are there once although lanes are lost on the way.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	const n = 200
	b := startBroker(t)
	b.topic("in", 3)
	b.topic("dead", 2)
	b.put("in", 3, numbered(0, n))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	dead := b.sink(c, SinkOptions{Topic: "dead", Source: src, DeadLetters: true})
	hits := refuse(kerr.UnknownServerError, nil)(b, kmsg.EndTxn, func(n int64) bool { return n%3 == 1 })
	err := finish(t, pipeline.Options{
		Source: src, Sink: sink, DeadLetters: dead, ReadAhead: 4 << 10,
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if number(m)%10 == 7 {
				return &pipeline.Reject{Reason: "malformed"}
			}
			return nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if hits() == 0 {
		t.Error("no lane was lost")
	}
	good, letters := b.committed("out"), b.committed("dead")
	if len(good) != n-n/10 || len(letters) != n/10 {
		t.Errorf("%d messages and %d letters", len(good), len(letters))
	}
	seen := make(map[string]bool)
	for _, m := range letters {
		seen[string(m.Headers[0].Value)] = true
	}
	for i := 7; i < n; i += 10 {
		if origin := fmt.Sprintf("in/%d@%d", i%3, i/3); !seen[origin] {
			t.Errorf("there is no letter for %s", origin)
		}
	}
}

// TestCoordinators: a coordinator is looked up once, and again when it says
// that it is none any more or hangs up.
func TestCoordinators(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault func(*broker)
		again int64
	}{
		{"stays", func(*broker) {}, 0},
		{"moves", func(b *broker) {
			refuse(kerr.NotCoordinator, nil)(b, kmsg.EndTxn, func(n int64) bool { return n == 1 })
		}, 1},
		{"hangs up", func(b *broker) { hangUp(b, kmsg.EndTxn, func(n int64) bool { return n == 1 }) }, 1},
		{"group moves", func(b *broker) {
			refuse(kerr.NotCoordinator, nil)(b, kmsg.TxnOffsetCommit, func(n int64) bool { return n == 1 })
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := startBroker(t)
			s := newStep(b, 0, cluster.NoMember("g"))
			defer s.stopLoop()
			write := func(n int) {
				if err := errors.Join(s.good.Write(t.Context(), from(numbered(n, 1)), upTo(int64(n+1))), s.awaitClosed(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			write(0)
			var lookups atomic.Int64
			b.ControlKey(int16(kmsg.FindCoordinator), func(kmsg.Request) (kmsg.Response, error, bool) {
				b.KeepControl()
				lookups.Add(1)
				return nil, nil, false
			})
			test.fault(b)
			write(1)
			write(2)
			if n := lookups.Load(); n < test.again || n > 2*test.again {
				t.Errorf("%d lookups", n)
			}
			if n := s.visible("out"); n != 3 {
				t.Errorf("%d messages are visible", n)
			}
		})
	}
}
