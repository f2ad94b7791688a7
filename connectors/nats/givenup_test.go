package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// limited makes a consumer that gives a message up after so many deliveries.
func (b *broker) limited(policy jetstream.AckPolicy, most int) {
	b.t.Helper()
	_, err := b.plain().CreateConsumer(b.t.Context(), "ORDERS", jetstream.ConsumerConfig{
		Durable: "enc", AckPolicy: policy, MaxDeliver: most, AckWait: time.Second,
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// awaitGivenUp waits until the server has given up all that it has delivered.
func (b *broker) awaitGivenUp() {
	b.t.Helper()
	consumer, err := b.plain().Consumer(b.t.Context(), "ORDERS", "enc")
	if err != nil {
		b.t.Fatal(err)
	}
	eventually(b.t, "given up", func() bool {
		// The server gives messages up when somebody asks for some.
		if _, err := consumer.FetchNoWait(1); err != nil {
			b.t.Fatal(err)
		}
		return b.consumer("ORDERS", "enc").NumAckPending == 0
	})
}

// TestOwnerReadsGivenUp: messages that the server gave up, because their owner
// was killed, are read by the next owner, before all others.
func TestOwnerReadsGivenUp(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 50, 0)
	b.limited(jetstream.AckAllPolicy, 1)
	first := b.connect()
	v := serve(t, b.source(first, SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	v.read(50)
	if err := v.lane.Commit(t.Context(), &pipeline.Progress{
		Messages: 10, Places: []pipeline.Position{{Place: "ORDERS", Next: 11, Last: 10}},
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "10 acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 10 })
	first.Close()
	b.awaitGivenUp()
	next := read(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	for i := 50; i < 80; i++ {
		b.publish(numberedMsg("ORDERS", i, 0))
	}
	// The lease may have known less than the server: then some come again.
	var got []string
	eventually(t, "all read", func() bool {
		got = next.await(70)
		return got[len(got)-1] == string(numbered(79, 0))
	})
	equal(t, got[len(got)-70:], want(80, 0)[10:])
	v.cancel()
	v.let <- nil
	<-v.done
	if err := next.end(); err != nil {
		t.Fatal(err)
	}
}

// TestFirstOwnerReadsGivenUp: the same if the owner was killed before it had
// committed anything.
func TestFirstOwnerReadsGivenUp(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 20, 0)
	b.limited(jetstream.AckAllPolicy, 1)
	first := b.connect()
	v := serve(t, b.source(first, SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	v.read(20)
	first.Close()
	b.awaitGivenUp()
	next := read(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	equal(t, next.await(20), want(20, 0))
	v.cancel()
	v.let <- nil
	<-v.done
	if err := next.end(); err != nil {
		t.Fatal(err)
	}
}

// TestOwnerWithoutReset: without a reset such a consumer is refused.
func TestOwnerWithoutReset(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.limited(jetstream.AckExplicitPolicy, 2)
	c := b.connect()
	c.noNewer = true
	_, err := NewSource(t.Context(), c, SourceOptions{Stream: "ORDERS", Consumer: "enc", Log: quiet})
	if !errors.Is(err, ErrConsumerDiffers) || !strings.Contains(err.Error(), "MaxDeliver is 2") {
		t.Fatalf("got %v", err)
	}
}

// letters reads a lane, and keeps the values of messages and those of messages
// that are refused.
type letters struct {
	mu            sync.Mutex
	good, refused []string
}

func (l *letters) serve(ctx context.Context, lane pipeline.Lane) error {
	for {
		b, err := lane.Read(ctx, readLimit)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		}
		done := &pipeline.Progress{Messages: len(b.Messages)}
		l.mu.Lock()
		for i, m := range b.Messages {
			if reject, ok := errors.AsType[*pipeline.Reject](m.Fault); ok {
				l.refused = append(l.refused, string(reject.Reason)+" "+string(m.Value))
				done.SetAside = append(done.SetAside, pipeline.SetAside{Index: i, Reason: reject.Reason})
			} else {
				l.good = append(l.good, string(m.Value))
			}
		}
		l.mu.Unlock()
		b.Release()
		if err := lane.Commit(ctx, done); err != nil {
			return err
		}
	}
}

func (l *letters) counts() (good, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.good), len(l.refused)
}

// TestSharedGivenUp: of processes that share a consumer, one sets each message
// aside that the server gave up. The server then counts it no more.
func TestSharedGivenUp(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.limited(jetstream.AckExplicitPolicy, 2)
	b.fill("ORDERS", 7, 0)
	b.fetch("ORDERS", "enc", 7) // by a process that is killed,
	b.fetch("ORDERS", "enc", 7) // and by another one
	all := new(letters)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done sync.WaitGroup
	for range 2 {
		s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true})
		done.Go(func() {
			if err := s.Serve(ctx, all.serve); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	eventually(t, "set aside", func() bool { _, n := all.counts(); return n == 7 })
	for i := 7; i < 10; i++ {
		b.publish(numberedMsg("ORDERS", i, 0))
	}
	eventually(t, "read", func() bool { n, _ := all.counts(); return n == 3 })
	eventually(t, "acknowledged", func() bool { return countGivenUp(b.consumer("ORDERS", "enc")) == 0 })
	cancel()
	done.Wait()
	slices.Sort(all.refused)
	for i, value := range all.refused {
		if value != "given-up "+string(numbered(i, 0)) {
			t.Errorf("dead letter %d is %q", i, value)
		}
	}
}

// TestUnheardGivenUp: messages that were given up while no process was there
// are counted, and a run with an end is not complete.
func TestUnheardGivenUp(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.limited(jetstream.AckExplicitPolicy, 2)
	b.fill("ORDERS", 3, 0)
	b.fetch("ORDERS", "enc", 3)
	b.fetch("ORDERS", "enc", 3)
	b.awaitGivenUp()
	b.fill("ORDERS", 2, 0)
	var log lockedBuffer
	s := b.source(b.connect(), SourceOptions{
		Stream: "ORDERS", Consumer: "enc", Shared: true, UntilEnd: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	all := new(letters)
	err := s.Serve(t.Context(), all.serve)
	if good, refused := all.counts(); good != 2 || refused != 0 || !errors.Is(err, ErrGivenUp) {
		t.Fatalf("%d read, %d set aside, %v", good, refused, err)
	}
	if !strings.Contains(log.String(), "at_least=3") {
		t.Fatalf("logged %s", log.String())
	}
}

// TestGivenUpBounded: of messages that were given up, few wait to be read at
// the same time, and all come.
func TestGivenUpBounded(t *testing.T) {
	t.Parallel()
	const n, size, ahead = 20, 10_000, 40_000
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.limited(jetstream.AckExplicitPolicy, 2)
	b.fill("ORDERS", n, size)
	b.fetch("ORDERS", "enc", n)
	b.fetch("ORDERS", "enc", n)
	b.awaitGivenUp()
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true, ReadAhead: ahead})
	l := newLane(s, pipeline.NewAssignment(s.Stream))
	defer l.close(true)
	for sequence := range n {
		s.noteAdvisory(fmt.Appendf(nil, `{"stream_seq":%d,"deliveries":2}`, sequence+1))
	}
	for came := 0; came < n; {
		l.handOutGivenUp(t.Context())
		l.handOutGivenUp(t.Context())
		l.mu.Lock()
		waits := l.bytes
		l.mu.Unlock()
		if waits == 0 || waits > ahead+2*size {
			t.Fatalf("%d bytes wait after %d messages", waits, came)
		}
		got, err := l.Read(t.Context(), n*size)
		if err != nil {
			t.Fatal(err)
		}
		came += len(got.Messages)
		done := &pipeline.Progress{Messages: len(got.Messages)}
		got.Release()
		if err := l.Commit(t.Context(), done); err != nil {
			t.Fatal(err)
		}
	}
}
