package nats

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// kept is a Checkpoint in memory.
type kept struct {
	mu    sync.Mutex
	at    map[string]pipeline.Position
	fails error
}

func (k *kept) LoadPosition(stream string) (pipeline.Position, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.at[stream]
	return p, ok
}

func (k *kept) SavePositions(positions []pipeline.Position) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails != nil {
		return k.fails
	}
	for _, p := range positions {
		k.at[p.Place] = p
	}
	return nil
}

func newKept() *kept { return &kept{at: map[string]pipeline.Position{}} }

func (k *kept) open(*Source) (Checkpoint, error) { return k, nil }

// commitUpTo commits n messages, of which the last one has a sequence.
func (v *serving) commitUpTo(n int, sequence int64, state string) error {
	return v.lane.Commit(v.t.Context(), &pipeline.Progress{
		Messages: n,
		Places:   []pipeline.Position{{Place: "ORDERS", Next: sequence + 1, Last: sequence, State: []byte(state)}},
	})
}

// TestCheckpointWithoutConsumer: a stream that is read without a durable
// consumer goes on behind the checkpoint, with the Gate's state, whether the
// run has an end or not.
func TestCheckpointWithoutConsumer(t *testing.T) {
	t.Parallel()
	for name, bounded := range map[string]bool{"with an end": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.fill("ORDERS", 20, 0)
			k, c := newKept(), b.connect()
			o := SourceOptions{Stream: "ORDERS", UntilEnd: bounded, OpenCheckpoint: k.open}
			v := serve(t, b.source(c, o))
			values, _ := v.read(20)
			same(t, values, want(20, 0))
			if err := v.commitUpTo(7, 7, "state"); err != nil {
				t.Fatal(err)
			}
			v.leave(nil) // 13 messages were read and not committed

			v = serve(t, b.source(c, o))
			if start := v.lane.Start(); len(start) != 1 || start[0].Next != 8 || string(start[0].State) != "state" {
				t.Errorf("the lane begins at %+v", start)
			}
			values, _ = v.read(13)
			same(t, values, want(20, 0)[7:])
			if err := v.commitUpTo(13, 20, "end"); err != nil {
				t.Fatal(err)
			}
			v.leave(nil)
			if n := b.consumers("ORDERS"); n != 0 {
				t.Errorf("%d consumers are left", n)
			}
		})
	}
}

// TestCheckpointBeforeAck: a message of a stream that deletes what is
// acknowledged stays there until its position is durable.
func TestCheckpointBeforeAck(t *testing.T) {
	t.Parallel()
	for name, retention := range map[string]jetstream.RetentionPolicy{
		"work queue": jetstream.WorkQueuePolicy, "interest": jetstream.InterestPolicy, "limits": jetstream.LimitsPolicy,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", func(c *jetstream.StreamConfig) { c.Retention = retention })
			k, c := newKept(), b.connect()
			o := SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true, OpenCheckpoint: k.open}
			b.source(c, o) // makes the consumer, before which an interest stream keeps nothing
			b.fill("ORDERS", 10, 0)
			v := serve(t, b.source(c, o))
			v.read(10)
			k.fails = errors.New("no space left")
			err := v.commitUpTo(4, 4, "")
			if !errors.Is(err, k.fails) {
				t.Errorf("got %v", err)
			}
			v.leave(nil)
			if info := b.consumer("ORDERS", "enc"); info.AckFloor.Stream != 0 {
				t.Errorf("acknowledged up to %d without a position", info.AckFloor.Stream)
			}
			k.fails = nil

			// A run was killed between the position and the acknowledgement:
			// the server delivers what is known, and that is left out.
			k.at["ORDERS"] = pipeline.Position{Place: "ORDERS", Next: 5, Last: 4}
			v = serve(t, b.source(c, o))
			values, _ := v.read(6)
			same(t, values, want(10, 0)[4:])
			if err := v.commitUpTo(6, 10, ""); err != nil {
				t.Fatal(err)
			}
			v.leave(nil)
			eventually(t, "all is acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 10 })
		})
	}
}

// TestCheckpointOfAShorterStream: a stream that ends before the checkpoint has
// lost messages or is another one, and is not read on.
func TestCheckpointOfAShorterStream(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 5, 0)
	k, c := newKept(), b.connect()
	k.at["ORDERS"] = pipeline.Position{Place: "ORDERS", Next: 10, Last: 9}
	_, err := NewSource(t.Context(), c, SourceOptions{Stream: "ORDERS", UntilEnd: true, OpenCheckpoint: k.open})
	if err == nil || !strings.Contains(err.Error(), "up to sequence 9, and it ends at 5") {
		t.Errorf("got %v", err)
	}
	_, err = NewSource(t.Context(), c, SourceOptions{Stream: "ORDERS", Consumer: "c", Shared: true, OpenCheckpoint: k.open})
	if err == nil || !strings.Contains(err.Error(), "no order") {
		t.Errorf("shared: got %v", err)
	}
}

// TestCheckpointAndDeletedMessages: messages that go between two runs are
// counted, since the checkpoint says that they were not read.
func TestCheckpointAndDeletedMessages(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 20, 0)
	k, c := newKept(), b.connect()
	k.at["ORDERS"] = pipeline.Position{Place: "ORDERS", Next: 6, Last: 5}
	b.purgeUpTo("ORDERS", 11)
	v := serve(t, b.source(c, SourceOptions{Stream: "ORDERS", UntilEnd: true, OpenCheckpoint: k.open, AckWait: time.Minute}))
	values := v.rest()
	same(t, values, want(20, 0)[10:])
	v.let <- nil
	if lost, ok := errors.AsType[*DeletedError](<-v.done); !ok || lost.Deleted != 5 {
		t.Errorf("got %+v, want 5 deleted", lost)
	}
}

// TestDeletedMessagesCountOnce: a run that reports deleted messages has the next
// one begin behind them, with the checkpoint or the lease, and with the Gate's
// state. Messages that are there and were not committed, as those behind one
// that is parked, stay in front of it.
func TestDeletedMessagesCountOnce(t *testing.T) {
	t.Parallel()
	for _, consumer := range []string{"", "enc"} {
		for _, kept := range []bool{true, false} {
			if consumer == "" && !kept {
				continue // such a run begins anew
			}
			for gone, left := range map[uint64]int{21: 0, 11: 8} { // purged up to, and not committed of the rest
				t.Run(fmt.Sprintf("consumer %q, checkpoint %v, %d are left", consumer, kept, left), func(t *testing.T) {
					t.Parallel()
					b := startBroker(t, nil)
					b.stream("ORDERS", nil)
					b.fill("ORDERS", 20, 0)
					k, c := newKept(), b.connect()
					o := SourceOptions{Stream: "ORDERS", Consumer: consumer, UntilEnd: true, AckWait: time.Minute}
					if kept {
						o.OpenCheckpoint = k.open
					}
					v := serve(t, b.source(c, o))
					v.read(20)
					if err := v.commitUpTo(5, 5, "state"); err != nil {
						t.Fatal(err)
					}
					v.leave(nil)
					b.purgeUpTo("ORDERS", gone)
					v = serve(t, b.source(c, o))
					if values := v.rest(); len(values) > 0 {
						if err := v.commitUpTo(len(values)-left, 20-int64(left), "state"); err != nil {
							t.Fatal(err)
						}
					}
					v.let <- nil
					if lost, ok := errors.AsType[*DeletedError](<-v.done); !ok || lost.Deleted != int64(gone)-6 {
						t.Errorf("got %+v, want %d deleted", lost, gone-6)
					}
					v = serve(t, b.source(c, o))
					if start := v.lane.Start(); kept && (len(start) != 1 || string(start[0].State) != "state") {
						t.Errorf("the lane begins at %+v", start)
					}
					same(t, v.rest(), want(20, 0)[20-left:])
					v.let <- nil
					if err := <-v.done; err != nil {
						t.Errorf("the next run: %v", err)
					}
				})
			}
		}
	}
}
