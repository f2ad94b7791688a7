package nats

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const readLimit = 1 << 20

// serving is a lane that a test drives by hand.
type serving struct {
	t      *testing.T
	lane   pipeline.Lane
	cancel context.CancelFunc
	let    chan error // what serve returns
	done   chan error // what Serve returned
}

// serve runs s.Serve and gives its lane to the test.
func serve(t *testing.T, s *Source) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v := &serving{t: t, cancel: cancel, let: make(chan error, 1), done: make(chan error, 1)}
	lanes := make(chan pipeline.Lane)
	go func() {
		v.done <- s.Serve(ctx, func(_ context.Context, l pipeline.Lane) error {
			lanes <- l
			return <-v.let
		})
	}()
	v.lane = <-lanes
	return v
}

// leave ends the lane with err and waits for Serve.
func (v *serving) leave(err error) {
	v.t.Helper()
	v.cancel()
	v.let <- err
	if got := <-v.done; !errors.Is(got, err) {
		v.t.Fatalf("Serve returned %v, want %v", got, err)
	}
}

// read reads at least n messages and returns a copy of their values.
func (v *serving) read(n int) (values []string, count int) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 20*time.Second)
	defer cancel()
	for count < n {
		b, err := v.lane.Read(ctx, readLimit)
		if err != nil {
			v.t.Fatalf("after %d of %d messages: %v", count, n, err)
		}
		values = append(values, take(b)...)
		count = len(values)
	}
	return values, count
}

// rest reads to the end.
func (v *serving) rest() (values []string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 20*time.Second)
	defer cancel()
	for {
		b, err := v.lane.Read(ctx, readLimit)
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			v.t.Fatalf("after %d messages: %v", len(values), err)
		}
		values = append(values, take(b)...)
	}
}

func take(b *pipeline.Batch) (values []string) {
	for _, m := range b.Messages {
		values = append(values, string(m.Value))
	}
	b.Release()
	return values
}

func (v *serving) commit(n int) {
	v.t.Helper()
	if err := v.lane.Commit(v.t.Context(), &pipeline.Progress{Messages: n}); err != nil {
		v.t.Fatal(err)
	}
}

func want(n, size int) (values []string) {
	for i := range n {
		values = append(values, string(numbered(i, size)))
	}
	return values
}

// same compares without order.
func same(t *testing.T, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Fatalf("got %d messages, want %d; the same they are not", len(got), len(want))
	}
}

func TestReadAndCommit(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 100, 100)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	got, _ := v.read(100)
	if !slices.Equal(got, want(100, 100)) {
		t.Fatalf("read %q", got)
	}
	if n := b.consumer("ORDERS", "enc").NumAckPending; n != 100 {
		t.Fatalf("%d messages pending before the commit", n)
	}
	v.commit(40)
	eventually(t, "60 messages pending", func() bool { return b.consumer("ORDERS", "enc").NumAckPending == 60 })
	if floor := b.consumer("ORDERS", "enc").AckFloor.Stream; floor != 40 {
		t.Fatalf("floor at %d: not the first 40 were acknowledged", floor)
	}
	v.leave(nil)
}

func TestCommitOfMoreThanWasRead(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 2, 0)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	v.read(2)
	if err := v.lane.Commit(t.Context(), &pipeline.Progress{Messages: 3}); err == nil {
		t.Fatal("committed 3 of 2 messages")
	}
	v.leave(nil)
}

func TestLaneDroppedBeforeCommit(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 50, 0)
	// AckWait is far beyond the test: whatever comes again comes because it was
	// given back.
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour}
	c := b.connect()
	v := serve(t, b.source(c, o))
	_, n := v.read(20)
	v.commit(5)
	v.leave(nil)

	v = serve(t, b.source(c, o))
	got, _ := v.read(45)
	same(t, got, want(50, 0)[5:])
	if n < 20 {
		t.Fatal(n)
	}
	v.leave(nil)
}

// TestCrash leaves without a word to the server, as a process does that is
// killed.
func TestCrash(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 30, 0)
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Second, UntilEnd: true}
	first := b.connect()
	v := serve(t, b.source(first, o))
	v.read(30)
	v.commit(10)
	eventually(t, "10 acknowledged", func() bool { return b.consumer("ORDERS", "enc").NumAckPending == 20 })
	first.Close()
	v.leave(nil)

	// The next run must not end before it has what the first had taken.
	v = serve(t, b.source(b.connect(), o))
	same(t, v.rest(), want(30, 0)[10:])
	v.leave(nil)
}

// progress watches which messages the server is told about as being worked on.
type progress struct {
	mu    sync.Mutex
	times map[string]int // by stream sequence
}

func (b *broker) watchProgress(stream, consumer string) *progress {
	b.t.Helper()
	p := &progress{times: map[string]int{}}
	sub, err := b.plain().Conn().Subscribe("$JS.ACK."+stream+"."+consumer+".>", func(msg *natsgo.Msg) {
		if string(msg.Data) == "+WPI" {
			p.mu.Lock()
			p.times[strings.Split(msg.Subject, ".")[5]]++
			p.mu.Unlock()
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.plain().Conn().Flush(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = sub.Unsubscribe() })
	return p
}

// messages counts those that the server was told about, times is for one of
// them.
func (p *progress) messages() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.times)
}

func (p *progress) of(sequence int64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.times[strconv.FormatInt(sequence, 10)]
}

// TestInProgress: nobody reads, and more is on the way than may be ready. The
// server hears about all of it, what waits in the client library included.
func TestInProgress(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	const messages, size, readAhead = 400, 16 << 10, 64 << 10
	b.fill("ORDERS", messages, size)
	told := b.watchProgress("ORDERS", "enc")
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Second, ReadAhead: readAhead}))
	eventually(t, "told about all", func() bool {
		n := b.consumer("ORDERS", "enc").NumAckPending
		return n > 2*readAhead/size && told.messages() == n
	})
	v.leave(nil)
}

// TestRedeliveredWhileHeld: a copy of a message that we work on is not read a
// second time.
func TestRedeliveredWhileHeld(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 2, 0)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true, UntilEnd: true, AckWait: time.Hour}))
	got, _ := v.read(2)
	l := v.lane.(*lane)
	first := l.heldMessage(1)
	if err := l.sendWord(first, wordNak); err != nil {
		t.Fatal(err)
	}
	eventually(t, "delivered again", func() bool { return l.heldMessage(1) != first })
	same(t, append(got, v.rest()...), want(2, 0))
	v.commit(2)
	eventually(t, "acknowledged", func() bool { return b.consumer("ORDERS", "enc").NumAckPending == 0 })
	v.leave(nil)
}

func TestReadAheadIsBounded(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	const size = 64 << 10
	b.fill("ORDERS", 200, size)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Minute, ReadAhead: 128 << 10, UntilEnd: true})
	v := serve(t, s)
	v.fill()
	if held := b.consumer("ORDERS", "enc").NumAckPending * size; held > s.ReadAheadBytes() {
		t.Fatalf("%d bytes on the way, more than %d", held, s.ReadAheadBytes())
	}
	// Reading again brings the rest.
	got := v.rest()
	same(t, got, want(200, size))
	v.leave(nil)
}

// fill waits until the lane holds as much as it may.
func (v *serving) fill() {
	v.t.Helper()
	l := v.lane.(*lane)
	eventually(v.t, "full", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.bytes >= l.source.ReadAhead
	})
}

func TestReadLimit(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 20, 1000)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	eventually(t, "all here", func() bool { return b.consumer("ORDERS", "enc").NumAckPending == 20 })
	for read := 0; read < 20; {
		batch, err := v.lane.Read(t.Context(), 4000)
		if err != nil {
			t.Fatal(err)
		}
		if batch.Size > 4000 || batch.Size < 1000*len(batch.Messages) || len(batch.Ends) != 1 {
			t.Fatalf("batch of %d messages and %d bytes", len(batch.Messages), batch.Size)
		}
		read += len(batch.Messages)
		if end := batch.Ends[0]; end.Place != "ORDERS" || end.Next != int64(read)+1 {
			t.Fatalf("after %d messages: %+v", read, end)
		}
		batch.Release()
	}
	v.leave(nil)
}

// TestBatchIsUsedAgain: nothing of an earlier use is left.
func TestBatchIsUsedAgain(t *testing.T) {
	t.Parallel()
	b := new(batch)
	b.Messages = append(b.Messages, message(1, "a", []byte("v")))
	b.headers = append(b.headers, pipeline.Header{Name: "h"})
	b.keepString("x")
	b.end[0] = pipeline.Position{Place: "ORDERS", Next: 9, Last: 8}
	b.Ends, b.Size = b.end[:], 1
	b.reset()
	if len(b.Messages)+len(b.Ends)+len(b.headers)+len(b.arena)+b.Size != 0 || b.end[0].Next != 0 ||
		b.Messages[:1][0].Value != nil || b.headers[:1][0].Name != "" {
		t.Fatalf("left: %+v", b)
	}
}

func TestBoundedRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(b *broker)
		options SourceOptions
		want    []string
	}{
		{name: "empty stream"},
		{
			name:    "all",
			prepare: func(b *broker) { b.fill("ORDERS", 10, 0) },
			want:    want(10, 0),
		},
		{
			name: "last deleted",
			prepare: func(b *broker) {
				b.fill("ORDERS", 10, 0)
				b.remove("ORDERS", 3, 9, 10)
			},
			want: slices.Delete(want(8, 0), 2, 3),
		},
		{
			name: "all deleted",
			prepare: func(b *broker) {
				b.fill("ORDERS", 3, 0)
				b.remove("ORDERS", 1, 2, 3)
			},
		},
		{
			name: "filtered",
			prepare: func(b *broker) {
				b.publish(&natsgo.Msg{Subject: "orders.eu", Data: []byte("1")})
				b.publish(&natsgo.Msg{Subject: "orders.us", Data: []byte("2")})
				b.publish(&natsgo.Msg{Subject: "orders.eu", Data: []byte("3")})
				b.publish(&natsgo.Msg{Subject: "orders.us", Data: []byte("4")})
			},
			options: SourceOptions{Filters: []string{"orders.eu"}},
			want:    []string{"1", "3"},
		},
		{
			name:    "filter without a match",
			prepare: func(b *broker) { b.fill("ORDERS", 3, 0) },
			options: SourceOptions{Filters: []string{"orders.eu"}},
		},
		{
			name:    "from a sequence",
			prepare: func(b *broker) { b.fill("ORDERS", 10, 0) },
			options: SourceOptions{Start: Start{Sequence: 8}},
			want:    want(10, 0)[7:],
		},
		{
			name:    "before a sequence",
			prepare: func(b *broker) { b.fill("ORDERS", 10, 0) },
			options: SourceOptions{Start: Start{Sequence: 3}, Until: Until{Sequence: 6}},
			want:    want(10, 0)[2:5],
		},
		{
			name: "before a sequence that is deleted",
			prepare: func(b *broker) {
				b.fill("ORDERS", 10, 0)
				b.remove("ORDERS", 4, 5, 6)
			},
			options: SourceOptions{Until: Until{Sequence: 6}},
			want:    want(10, 0)[:3],
		},
		{
			name:    "before the first sequence",
			prepare: func(b *broker) { b.fill("ORDERS", 3, 0) },
			options: SourceOptions{Until: Until{Sequence: 1}},
		},
		{
			name:    "before a sequence to come",
			prepare: func(b *broker) { b.fill("ORDERS", 3, 0) },
			options: SourceOptions{Until: Until{Sequence: 100}},
			want:    want(3, 0),
		},
		{
			name:    "before a time to come",
			prepare: func(b *broker) { b.fill("ORDERS", 3, 0) },
			options: SourceOptions{Until: Until{Time: time.Now().Add(time.Hour)}},
			want:    want(3, 0),
		},
		{
			name:    "before a time that is long gone",
			prepare: func(b *broker) { b.fill("ORDERS", 3, 0) },
			options: SourceOptions{Until: Until{Time: time.Unix(0, 0)}},
		},
		{
			name:    "from a time to come",
			prepare: func(b *broker) { b.fill("ORDERS", 3, 0) },
			options: SourceOptions{Start: Start{Time: time.Now().Add(time.Hour)}},
		},
	}
	for _, test := range tests {
		for _, consumer := range []string{"enc", ""} {
			t.Run(test.name+"/"+consumer, func(t *testing.T) {
				b := startBroker(t, nil)
				b.stream("ORDERS", nil)
				if test.prepare != nil {
					test.prepare(b)
				}
				o := test.options
				o.Stream, o.Consumer, o.UntilEnd = "ORDERS", consumer, true
				s := b.source(b.connect(), o)
				b.publish(&natsgo.Msg{Subject: "orders.eu", Data: []byte("too late")})
				v := serve(t, s)
				same(t, v.rest(), test.want)
				v.commit(len(test.want))
				v.leave(nil)
				if consumer == "" && b.consumers("ORDERS") != 0 {
					t.Fatal("the temporary consumer is still there")
				}
			})
		}
	}
}

func (b *broker) remove(stream string, sequences ...uint64) {
	b.t.Helper()
	s, err := b.plain().Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, seq := range sequences {
		if err := s.DeleteMsg(b.t.Context(), seq); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *broker) consumers(stream string) int {
	b.t.Helper()
	s, err := b.plain().Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	return s.CachedInfo().State.Consumers
}

// TestBoundedRunLeavesTheRest: what came after the end was noted is for the
// next run, at once.
func TestBoundedRunLeavesTheRest(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 20, 0)
	c := b.connect()
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true, AckWait: time.Hour}
	s := b.source(c, o)
	b.fill("ORDERS", 500, 0)
	v := serve(t, s)
	got := v.rest()
	same(t, got, want(20, 0))
	v.commit(len(got))
	v.leave(nil)

	v = serve(t, b.source(c, o))
	same(t, v.rest(), want(500, 0))
	v.leave(nil)
}

// TestTwoBoundedRuns share a consumer: each ends when both together have done
// everything.
func TestTwoBoundedRuns(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	const messages = 3000
	b.fill("ORDERS", messages, 100)
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true, UntilEnd: true, ReadAhead: 4 << 10}
	sources := []*Source{b.source(b.connect(), o), b.source(b.connect(), o)}
	b.fill("ORDERS", 50, 100)
	var mu sync.Mutex
	var got []string
	var runs sync.WaitGroup
	for _, s := range sources {
		runs.Go(func() {
			v := serve(t, s)
			for {
				batch, err := v.lane.Read(t.Context(), 2000)
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					break
				}
				values := take(batch)
				mu.Lock()
				got = append(got, values...)
				mu.Unlock()
				v.commit(len(values))
			}
			v.leave(nil)
		})
	}
	runs.Wait()
	same(t, got, want(messages, 100))
}

func TestMaxAckPendingBelowBatch(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 50, 0)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true, MaxAckPending: 3}))
	var got []string
	for len(got) < 50 {
		values, n := v.read(1)
		if n > 3 {
			t.Fatalf("read %d messages", n)
		}
		got = append(got, values...)
		v.commit(n)
	}
	same(t, append(got, v.rest()...), want(50, 0))
	v.leave(nil)
}

func TestLostLaneIsServedAgain(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true, AckWait: time.Hour})
	var got []string
	lanes := 0
	err := s.Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		lanes++
		v := &serving{t: t, lane: l}
		if lanes == 1 {
			v.read(4)
			v.commit(2)
			return pipeline.ErrLost
		}
		got = v.rest()
		v.commit(len(got))
		return nil
	})
	if err != nil || lanes != 2 {
		t.Fatalf("%d lanes, %v", lanes, err)
	}
	same(t, got, want(10, 0)[2:])
}

// TestParkedLane keeps what was read and gives the rest back.
func TestParkedLane(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	c := b.connect()
	told := b.watchProgress("ORDERS", "enc")
	v := serve(t, b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true, AckWait: 2 * time.Second}))
	batch, err := v.lane.Read(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	poison, origin := string(batch.Messages[0].Value), batch.Messages[0].Origin.Offset
	batch.Release()
	broken := errors.New("broken")
	v.let <- broken

	other := serve(t, b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true}))
	got, _ := other.read(9)
	if slices.Contains(got, poison) {
		t.Fatal("the message that the lane failed on went to somebody else")
	}
	before := told.of(origin)
	eventually(t, "told again and again", func() bool { return told.of(origin) > before+2 })
	v.cancel()
	if err := <-v.done; !errors.Is(err, broken) {
		t.Fatalf("Serve returned %v", err)
	}
	if got, _ := other.read(1); !slices.Equal(got, []string{poison}) {
		t.Fatalf("then came %q", got)
	}
	other.leave(nil)
}

// TestConsumerDeleted: nobody knows what the others that share it have done, so
// it is not made anew.
func TestConsumerDeleted(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true}))
	eventually(t, "the lane waits", func() bool { return b.consumer("ORDERS", "enc").NumWaiting > 0 })
	if err := b.plain().DeleteConsumer(t.Context(), "ORDERS", "enc"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.lane.Read(t.Context(), readLimit); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Fatalf("read: %v", err)
	}
	v.leave(nil)
}

// TestSilentConsumer plays a server whose heartbeats are missing.
func TestSilentConsumer(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true, MaxAckPending: 1}))
	l := v.lane.(*lane)
	silent := func(in *pullSession) {
		l.mu.Lock()
		defer l.mu.Unlock()
		in.heard = time.Now().Add(-time.Hour)
	}
	eventually(t, "the lane reads", func() bool { return l.current() != nil })
	before := l.current()
	silent(before)
	eventually(t, "found idle", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !before.isSilent(time.Now())
	})
	if l.current() != before {
		t.Fatal("an idle consumer was started again")
	}
	b.fill("ORDERS", 2, 0) // one more than MaxAckPending, so one stays
	v.read(1)
	silent(before)
	eventually(t, "started again", func() bool { return l.current() != before })
	v.commit(1)
	if got, _ := v.read(1); got[0] != want(2, 0)[1] {
		t.Fatal(got)
	}
	v.leave(nil)
}

// TestSilentWhileMessagesAreMissing: no messages wait, but some were delivered
// and have not arrived.
func TestSilentWhileMessagesAreMissing(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 2, 0)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true, AckWait: time.Hour})
	b.fetch("ORDERS", "enc", 2)
	v := serve(t, s)
	l := v.lane.(*lane)
	eventually(t, "the lane reads", func() bool { return l.current() != nil })
	before := l.current()
	l.mu.Lock()
	before.heard = time.Now().Add(-time.Hour)
	l.mu.Unlock()
	eventually(t, "looked at", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.session != before || !before.isSilent(time.Now())
	})
	if l.current() == before {
		t.Fatal("left alone")
	}
	v.leave(nil)
}

func (l *lane) current() *pullSession {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}

func TestReadEndsWithContext(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.lane.Read(ctx, readLimit); !errors.Is(err, context.Canceled) {
		t.Fatalf("read: %v", err)
	}
	v.leave(nil)
}

func TestSourceOptions(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.stream("JOBS", func(cfg *jetstream.StreamConfig) { cfg.Retention = jetstream.WorkQueuePolicy })
	c := b.connect()
	for _, test := range []struct {
		name    string
		options SourceOptions
		want    string
	}{
		{"no stream", SourceOptions{Consumer: "enc"}, "not a stream name"},
		{"unknown stream", SourceOptions{Stream: "NOPE", Consumer: "enc"}, "stream not found"},
		{"wild stream", SourceOptions{Stream: "OR*", Consumer: "enc"}, "not a stream name"},
		{"no consumer", SourceOptions{Stream: "ORDERS"}, "no consumer name"},
		{"bad consumer", SourceOptions{Stream: "ORDERS", Consumer: "a.b"}, "not a consumer name"},
		{"two starts", SourceOptions{Stream: "ORDERS", Consumer: "enc", Start: Start{Sequence: 1, New: true}}, "more than one start"},
		{"no end", SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true, Start: Start{New: true}}, "has no end"},
		{"short AckWait", SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: 1}, "AckWait"},
		{"negative bound", SourceOptions{Stream: "ORDERS", Consumer: "enc", ReadAhead: -1}, "negative"},
		{"huge read-ahead", SourceOptions{Stream: "ORDERS", Consumer: "enc", ReadAhead: 1 << 30}, "read-ahead"},
		{"work queue without a name", SourceOptions{Stream: "JOBS", UntilEnd: true}, "deletes what has been read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewSource(t.Context(), c, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v", err)
			}
			if _, looked := LookAtSource(t.Context(), c, test.options); looked == nil || looked.Error() != err.Error() {
				t.Fatalf("looked at: %v, opened: %v", looked, err)
			}
		})
	}
}

func TestFilterSubjects(t *testing.T) {
	t.Parallel()
	for _, is := range []struct{ filters, want []string }{
		{},
		{filters: []string{">"}},
		{filters: []string{"b.*"}, want: []string{"b.*"}},
		{filters: []string{"c", "b.>", "a", "c"}, want: []string{"a", "b.>", "c"}},
	} {
		s := &Source{SourceOptions: SourceOptions{Filters: is.filters}}
		if got := s.FilterSubjects(); !slices.Equal(got, is.want) {
			t.Errorf("%q: %q", is.filters, got)
		}
	}
}

func TestConsumerIsCreatedAndBound(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	c := b.connect()
	s := b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: 7 * time.Second})
	cfg := b.consumer("ORDERS", "enc").Config
	if cfg.AckPolicy != jetstream.AckAllPolicy || cfg.MaxDeliver != -1 || cfg.AckWait != 7*time.Second || cfg.MaxAckPending != DefaultMaxAckPending {
		t.Fatalf("created %+v", cfg)
	}
	if name, created := s.Identity(); name != "ORDERS" || created != s.StreamCreated().UnixNano() || created == 0 || !s.Ordered() {
		t.Fatal(name, created)
	}
	// A second process asks for another AckWait and gets what is there.
	again := b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc"})
	if again.ConsumerAckWait() != 7*time.Second {
		t.Fatal(again.ConsumerAckWait())
	}
}

func TestConsumerDiffers(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	c := b.connect()
	for i, test := range []struct {
		name   string
		change func(*jetstream.ConsumerConfig)
		want   string
	}{
		{"ack all", func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckAllPolicy }, "ack policy"},
		{"ack none", func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckNonePolicy }, "ack policy"},
		{"filter", func(c *jetstream.ConsumerConfig) { c.FilterSubject = "orders.eu" }, `reads subjects ["orders.eu"]`},
		{"filters", func(c *jetstream.ConsumerConfig) { c.FilterSubjects = []string{"orders.eu", "orders.us"} }, "reads subjects"},
		{"max deliver", func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 1 }, "MaxDeliver"},
		{"headers only", func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true }, "headers only"},
		{"small requests", func(c *jetstream.ConsumerConfig) { c.MaxRequestBatch = 10 }, "limits requests"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := "c" + strconv.Itoa(i)
			cfg := jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy}
			test.change(&cfg)
			if _, err := b.plain().CreateConsumer(t.Context(), "ORDERS", cfg); err != nil {
				t.Fatal(err)
			}
			before := b.consumer("ORDERS", name).Config
			_, err := NewSource(t.Context(), c, SourceOptions{Stream: "ORDERS", Consumer: name, Shared: true})
			if !errors.Is(err, ErrConsumerDiffers) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v", err)
			}
			after := b.consumer("ORDERS", name).Config
			if after.AckPolicy != before.AckPolicy || after.FilterSubject != before.FilterSubject || after.MaxDeliver != before.MaxDeliver {
				t.Fatal("the consumer was changed")
			}
		})
	}
	if err := (&Source{SourceOptions: SourceOptions{Filters: []string{">"}}}).describeDrift(jetstream.ConsumerConfig{}); err != nil {
		t.Fatalf("everything is not the same as all: %v", err)
	}
}
