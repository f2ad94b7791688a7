package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// reader serves a Source and reads whatever comes, as a pipeline does that
// writes at once: what was read is committed before the next read.
type reader struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan error

	mu     sync.Mutex
	values []string
	lanes  int
	starts []pipeline.Position // of the last lane
}

func read(t *testing.T, s *Source) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{t: t, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx, r.serve) }()
	return r
}

func (r *reader) serve(ctx context.Context, l pipeline.Lane) error {
	r.mu.Lock()
	r.lanes++
	r.starts = l.Start()
	r.mu.Unlock()
	for {
		b, err := l.Read(ctx, readLimit)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		}
		last := b.Messages[len(b.Messages)-1].Origin.Offset
		values := take(b)
		if err := l.Commit(ctx, &pipeline.Progress{
			Messages: len(values), Places: []pipeline.Position{{Place: "ORDERS", Next: last + 1, Last: last}},
		}); err != nil {
			return err
		}
		r.mu.Lock()
		r.values = append(r.values, values...)
		r.mu.Unlock()
	}
}

// await waits for n messages and returns them.
func (r *reader) await(n int) []string {
	r.t.Helper()
	eventually(r.t, fmt.Sprint(n, " messages"), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.values) >= n
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.values)
}

func (r *reader) served() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes
}

func (r *reader) end() error {
	r.cancel()
	return <-r.done
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Fatalf("%d messages, want %d; they differ from number %d on", len(got), len(want), at+1)
	}
}

// TestTakeOver kills an owner that has taken messages and not committed them.
// The next one reads them, in order, before all others.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"reset": false, "a server that cannot reset": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.fill("ORDERS", 50, 0)
			o := SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: 2 * time.Second}
			first := b.connect()
			first.noNewer = old
			v := serve(t, b.source(first, o))
			v.read(50)
			v.commit(10)
			eventually(t, "10 acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 10 })
			second := b.connect()
			second.noNewer = old
			o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
			next := read(t, b.source(second, o))
			first.Close()
			for i := 50; i < 80; i++ {
				b.publish(numberedMsg("ORDERS", i, 0))
			}
			equal(t, next.await(70), want(80, 0)[10:])
			v.cancel()
			v.let <- nil
			<-v.done
			if err := next.end(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestLostInFlight: messages that were delivered to nobody come before newer
// ones, although the lease was never anybody else's.
func TestLostInFlight(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 5, 0)
	c := b.connect()
	c.noNewer = true
	s := b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: 2 * time.Second})
	b.fetch("ORDERS", "enc", 5)
	for i := 5; i < 10; i++ {
		b.publish(numberedMsg("ORDERS", i, 0))
	}
	v := serve(t, s)
	got, _ := v.read(10)
	equal(t, got, want(10, 0))
	v.leave(nil)
}

// openOld returns a source of ORDERS on a server that cannot reset a consumer.
func (b *broker) openOld(log io.Writer, ackWait time.Duration) *Source {
	c := b.connect()
	c.noNewer = true
	return b.source(c, SourceOptions{
		Stream: "ORDERS", Consumer: "enc", AckWait: ackWait, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
}

// TestComeInGroups: a server that cannot reset a consumer delivers messages
// that were given back before those that were lost, though these are older. The
// older ones are read first, and none passes for durable.
func TestComeInGroups(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 6_000, 0)
	// On a busy machine 6,000 messages take their time, and those that are not
	// worked on by then come once more.
	s := b.openOld(t.Output(), 10*time.Second)
	if 5_000 < 2*s.window/smallMessage {
		t.Fatal("one request fetches nearly all of them")
	}
	for _, msg := range b.fetch("ORDERS", "enc", 5_000)[4_000:] {
		if err := msg.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	next := read(t, s)
	equal(t, next.await(6_000), want(6_000, 0))
	if err := next.end(); err != nil {
		t.Fatal(err)
	}
}

// TestSomebodyStillWorks: a message that is not due yet is waited for.
func TestSomebodyStillWorks(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	var log lockedBuffer
	s := b.openOld(&log, 2*time.Second)
	held := b.fetch("ORDERS", "enc", 8)[3]
	next := read(t, s)
	eventually(t, "the third wait", func() bool {
		_ = held.InProgress()
		return strings.Count(log.String(), "cannot reset") == 3
	})
	equal(t, next.await(10), want(10, 0))
	if err := next.end(); err != nil {
		t.Fatal(err)
	}
}

// TestRedeliveredAreGone: messages that were delivered and then deleted are not
// waited for.
func TestRedeliveredAreGone(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	s := b.openOld(t.Output(), 2*time.Second)
	b.fetch("ORDERS", "enc", 8)
	b.remove("ORDERS", 4)
	next := read(t, s)
	equal(t, next.await(9), slices.Delete(want(10, 0), 3, 4))
	if err := next.end(); err != nil {
		t.Fatal(err)
	}
}

// fetch takes n messages of a consumer and acknowledges none.
func (b *broker) fetch(stream, consumer string, n int) (msgs []jetstream.Msg) {
	b.t.Helper()
	from, err := b.plain().Consumer(b.t.Context(), stream, consumer)
	if err != nil {
		b.t.Fatal(err)
	}
	got, err := from.Fetch(n)
	if err != nil {
		b.t.Fatal(err)
	}
	for msg := range got.Messages() {
		msgs = append(msgs, msg)
	}
	if len(msgs) != n {
		b.t.Fatalf("%d messages, not %d: %v", len(msgs), n, got.Error())
	}
	return msgs
}

// TestRelease: an owner that ends lets the next one begin at once.
func TestRelease(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	c := b.connect()
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour}
	first := read(t, b.source(c, o))
	first.await(10)
	second := read(t, b.source(b.connect(), o))
	b.fill("ORDERS", 10, 0)
	first.await(20)
	if second.served() > 0 {
		t.Fatal("two owners")
	}
	began := time.Now()
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "served", func() bool { return second.served() == 1 })
	if time.Since(began) >= leaseTime {
		t.Error("the next owner waited for the end of a lease that was released")
	}
	if got := second.starts; len(got) != 1 || got[0].Next != 21 || got[0].Last != 20 {
		t.Errorf("begins at %+v", got)
	}
	_ = second.end()
}

// cutKV stores an entry and loses the answer.
type cutKV struct{ jetstream.KeyValue }

func (k cutKV) Update(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if _, err := k.KeyValue.Update(context.Background(), key, value, revision); err != nil {
		return 0, err
	}
	return 0, context.Canceled
}

// TestReleaseAfterCutRenewal: a renewal that the end of the run has cut short is
// stored. The lease is released all the same.
func TestReleaseAfterCutRenewal(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	e := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}).lease
	if err := e.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.stop() // the renewals, so that none mends it
	e.loops.Wait()
	whole := e.kv
	e.kv = cutKV{whole}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	e.renew(ended)
	e.kv = whole
	e.release()
	got, err := e.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !parseLease(got.Value()).Released {
		t.Error("the next owner has to wait")
	}
}

// TestRedelivered: under AckAll the server would ignore every acknowledgement
// of a message from before the redelivery.
func TestRedelivered(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	b.loseLane(func(l *lane) { _ = l.sendWord(l.heldMessage(5), wordNak) })
}

// loseLane has a lane lost, after 3 of the 10 messages of ORDERS, by what
// disturb does to it. The next lane must read the others and have them
// acknowledged.
func (b *broker) loseLane(disturb func(*lane)) {
	b.t.Helper()
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour})
	var got []string
	lanes := 0
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	err := s.Serve(ctx, func(ctx context.Context, l pipeline.Lane) error {
		lanes++
		v := &serving{t: b.t, lane: l}
		if lanes == 1 {
			v.read(10)
			v.commit(3)
			disturb(l.(*lane))
			_, err := l.Read(ctx, readLimit)
			return err
		}
		got, _ = v.read(7)
		v.commit(7)
		eventually(b.t, "acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 10 })
		cancel()
		return nil
	})
	if err != nil || lanes != 2 {
		b.t.Fatalf("%d lanes, %v", lanes, err)
	}
	equal(b.t, got, want(10, 0)[3:])
}

// heldMessage is the message of a sequence, as it was delivered last.
func (l *lane) heldMessage(sequence uint64) *natsgo.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[sequence].msg
}

// TestMissingDelivery: a delivery that was lost with a connection is missed,
// whether or not the server is asked anew.
func TestMissingDelivery(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	b.loseLane(func(l *lane) {
		// Sequence 11 was delivered as number 11, to a connection that was
		// lost.
		l.current().receive(&natsgo.Msg{
			Reply: fmt.Sprintf("$JS.ACK.ORDERS.enc.1.12.12.%d.0", time.Now().UnixNano()),
		})
	})
}

// TestOwnConsumerDeleted: it is made anew where this process stands.
func TestOwnConsumerDeleted(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 20, 0)
	r := read(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	r.await(20)
	if err := b.plain().DeleteConsumer(t.Context(), "ORDERS", "enc"); err != nil {
		t.Fatal(err)
	}
	for i := 20; i < 40; i++ {
		b.publish(numberedMsg("ORDERS", i, 0))
	}
	equal(t, r.await(40), want(40, 0))
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
}

// TestConsumerMadeAgain: people remove a consumer and make it again to have the
// stream read once more.
func TestConsumerMadeAgain(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 20, 0)
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc"}
	s := b.source(b.connect(), o)
	r := read(t, s)
	r.await(20)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	if err := b.plain().DeleteConsumer(t.Context(), "ORDERS", "enc"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.plain().CreateConsumer(t.Context(), "ORDERS", s.newConsumer()); err != nil {
		t.Fatal(err)
	}
	r = read(t, b.source(b.connect(), o))
	eventually(t, "the stream is read again", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 20 })
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	equal(t, r.await(0), want(20, 0))
}

// TestStreamMadeAnew: its sequences name other messages, so nobody goes on as
// if nothing had happened.
func TestStreamMadeAnew(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 5, 0)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true})
	if err := b.plain().DeleteStream(t.Context(), "ORDERS"); err != nil {
		t.Fatal(err)
	}
	b.stream("ORDERS", nil)
	r := read(t, s)
	if err := <-r.done; !errors.Is(err, ErrStreamMadeAnew) {
		t.Fatalf("got %v", err)
	}
}

// TestLeaseTaken: an owner that was stopped for longer than its lease writes
// and commits nothing more.
func TestLeaseTaken(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.stream("ENC", nil)
	b.fill("ORDERS", 10, 0)
	c := b.connect()
	s := b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc"})
	v := serve(t, s)
	v.read(10)
	w, err := b.sink(c, SinkOptions{Stream: "ENC"}).Open(t.Context(), v.lane)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), numberedMessages("enc", 1, 0), nil); err != nil {
		t.Fatal(err)
	}
	kv, err := b.plain().KeyValue(t.Context(), DefaultLeaseBucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "lease.ORDERS.enc", []byte(`{"owner":"other"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.lane.Read(t.Context(), readLimit); !errors.Is(err, pipeline.ErrLost) {
		t.Fatalf("read: %v", err)
	}
	if err := v.lane.Commit(t.Context(), &pipeline.Progress{Messages: 1}); !errors.Is(err, pipeline.ErrLost) {
		t.Fatalf("commit: %v", err)
	}
	if err := w.Write(t.Context(), numberedMessages("enc", 5, 0)[1:], nil); !errors.Is(err, pipeline.ErrLost) {
		t.Fatalf("write: %v", err)
	}
	if n := len(b.stored("ENC")); n != 1 {
		t.Fatalf("%d messages written by two owners", n)
	}
	v.cancel()
	v.let <- nil
	<-v.done
}

// TestStateBeforeAck: the Gate's state is stored before the server forgets a
// message, and the next owner begins with it.
func TestStateBeforeAck(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	c := b.connect()
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour}
	v := serve(t, b.source(c, o))
	v.read(10)
	state := []byte("state of a gate")
	if err := v.lane.Commit(t.Context(), &pipeline.Progress{
		Messages: 7, Places: []pipeline.Position{{Place: "ORDERS", Next: 8, Last: 7, State: state}},
	}); err != nil {
		t.Fatal(err)
	}
	kv, err := b.plain().KeyValue(t.Context(), DefaultLeaseBucket)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "acknowledged", func() bool {
		floor := b.consumer("ORDERS", "enc").AckFloor.Stream
		entry, err := kv.Get(t.Context(), "lease.ORDERS.enc")
		if err != nil {
			t.Fatal(err)
		}
		if floor > 0 && parseLease(entry.Value()).Position == nil {
			t.Fatal("acknowledged before the state was stored")
		}
		return floor == 7
	})
	v.leave(nil)
	v = serve(t, b.source(c, o))
	want := pipeline.Position{Place: "ORDERS", Next: 8, Last: 7, State: state}
	if got := v.lane.Start(); len(got) != 1 || got[0].Next != want.Next || got[0].Last != want.Last || string(got[0].State) != string(state) {
		t.Fatalf("begins at %+v", got)
	}
	v.leave(nil)
}

// TestStateAfterLostLease: the state that a process could not store before it
// lost its lease is stored when it has the lease again, before the server
// forgets the messages that it knows.
func TestStateAfterLostLease(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour})
	kv, err := b.plain().KeyValue(t.Context(), DefaultLeaseBucket)
	if err != nil {
		t.Fatal(err)
	}
	// The process came to 7, and somebody had the lease meanwhile.
	s.lease.unsaved = 3
	s.start = startPosition{
		known: true, next: 8, last: 7, stored: time.Now(), state: []byte("state of a gate"),
	}
	v := serve(t, s)
	l := v.lane.(*lane)
	l.mu.Lock()
	note := s.start.note
	l.mu.Unlock()
	eventually(t, "acknowledged", func() bool {
		floor := b.consumer("ORDERS", "enc").AckFloor.Stream
		entry, err := kv.Get(t.Context(), "lease.ORDERS.enc")
		if err != nil {
			t.Fatal(err)
		}
		p := parseLease(entry.Value()).Position
		if floor > 0 && (p == nil || p.Next != 8 || string(p.State) != "state of a gate") {
			t.Fatalf("acknowledged up to %d with the position %+v", floor, p)
		}
		return floor == 7
	})
	if note != 4 {
		t.Fatalf("note %d of the state", note)
	}
	// One whose note is not stored waits.
	l.mu.Lock()
	s.start.note = 99
	l.ackKnown(&delivery{sequence: 7, msg: &natsgo.Msg{Reply: "an.acknowledgement"}})
	waits := len(l.unsaved) == 1 && l.held[7] != nil && l.held[7].done
	l.unsaved = nil
	delete(l.held, 7)
	l.mu.Unlock()
	if !waits {
		t.Fatal("acknowledged before its note was stored")
	}
	v.leave(nil)
}

// TestLostTail puts a server back to an older disk: what has the sequences
// again is read.
func TestLostTail(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 5, 0)
	r := read(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	r.await(5)
	answers := func() {
		t.Helper()
		eventually(t, "the server answers", func() bool {
			_, err := b.plain().Stream(t.Context(), "ORDERS")
			return err == nil && b.plain().Conn().IsConnected()
		})
	}
	b.stop()
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(b.opts.StoreDir)); err != nil {
		t.Fatal(err)
	}
	b.start()
	answers()
	for i := 5; i < 10; i++ {
		b.publish(numberedMsg("ORDERS", i, 0))
	}
	equal(t, r.await(10), want(10, 0))
	b.stop()
	if err := os.RemoveAll(b.opts.StoreDir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(b.opts.StoreDir, os.DirFS(older)); err != nil {
		t.Fatal(err)
	}
	b.start()
	answers()
	for i := 100; i < 110; i++ {
		b.publish(numberedMsg("ORDERS", i, 0))
	}
	got := r.await(20)
	if again := want(110, 0)[100:]; !slices.Equal(got[10:], again) {
		t.Fatalf("then came %q", got[10:])
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
}

// TestLostTailIsFinal: a consumer that cannot be taken back skips new messages
// for as long as its stream is shorter than it was. The server in the test
// mends such a consumer when it starts; others, and clusters, do not.
func TestLostTailIsFinal(t *testing.T) {
	t.Parallel()
	c := startBroker(t, nil).connect()
	for name, is := range map[string]struct {
		old              bool
		policy           jetstream.DeliverPolicy
		floor, delivered uint64
		final            bool
	}{
		"whole":                      {false, jetstream.DeliverNewPolicy, 5, 5, false},
		"taken back":                 {false, jetstream.DeliverAllPolicy, 9, 9, false},
		"reset to what is there":     {false, jetstream.DeliverNewPolicy, 5, 9, false},
		"begun at a sequence":        {false, jetstream.DeliverByStartSequencePolicy, 9, 9, true},
		"whole, cannot reset":        {true, jetstream.DeliverAllPolicy, 5, 5, false},
		"acknowledged, cannot reset": {true, jetstream.DeliverAllPolicy, 9, 9, true},
		"delivered, cannot reset":    {true, jetstream.DeliverAllPolicy, 5, 9, true},
	} {
		conn := &Conn{nc: c.nc, noNewer: is.old}
		s := &Source{conn: conn, config: jetstream.ConsumerConfig{DeliverPolicy: is.policy}}
		err := s.checkTail(5, &jetstream.ConsumerInfo{
			AckFloor: jetstream.SequenceInfo{Stream: is.floor}, Delivered: jetstream.SequenceInfo{Stream: is.delivered},
		})
		if is.final != errors.Is(err, ErrLostTail) || is.final != (err != nil) || is.final != s.isFinal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUncovered: filters of several instances together must cover the stream.
func TestUncovered(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	for _, subject := range []string{"orders.eu.a", "orders.us.a", "orders.asia.a"} {
		b.publish(natsgo.NewMsg(subject))
	}
	c := b.connect()
	source := func(consumer, route, filter string) *Source {
		return b.source(c, SourceOptions{Stream: "ORDERS", Consumer: consumer, Route: route, Filters: []string{filter}})
	}
	s := source("eu", "a route", "orders.eu.>")
	source("asia", "another route", "orders.asia.>")
	uncovered := func() []string {
		got, err := s.findUncovered(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	}
	if got := uncovered(); !slices.Equal(got, []string{"orders.asia.a", "orders.us.a"}) {
		t.Fatalf("%q", got)
	}
	source("rest", "a route", "orders.*.a")
	if got := uncovered(); len(got) > 0 {
		t.Fatalf("%q", got)
	}
}
