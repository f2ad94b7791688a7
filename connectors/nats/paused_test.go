package nats

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestPausedWhileRead: a route whose consumer is paused under it reads nothing,
// and goes on by itself when the pause ends.
func TestPausedWhileRead(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"owned": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.fill("ORDERS", 5, 0)
			r := read(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: shared}))
			r.await(5)
			if _, err := b.plain().PauseConsumer(t.Context(), "ORDERS", "enc", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			for i := 5; i < 10; i++ {
				b.publish(numberedMsg("ORDERS", i, 0))
			}
			eventually(t, "a pause with all behind it", func() bool { // the server counts a message later than it is stored
				info := b.consumer("ORDERS", "enc")
				return info.Paused && info.NumPending == 5
			})
			if _, err := b.plain().ResumeConsumer(t.Context(), "ORDERS", "enc"); err != nil {
				t.Fatal(err)
			}
			equal(t, r.await(10), want(10, 0))
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestMadeAgainWhileRead: somebody removes the consumer under its owner and
// makes it again. It is read from where it begins, and nothing behind is left
// out.
func TestMadeAgainWhileRead(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 20, 0)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"})
	r := read(t, s)
	r.await(20)
	if err := b.plain().DeleteConsumer(t.Context(), "ORDERS", "enc"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.plain().CreateConsumer(t.Context(), "ORDERS", s.newConsumer()); err != nil &&
		!errors.Is(err, jetstream.ErrConsumerExists) { // the owner was faster
		t.Fatal(err)
	}
	for i := 20; i < 40; i++ {
		b.publish(numberedMsg("ORDERS", i, 0))
	}
	var got []string
	eventually(t, "all read", func() bool {
		got = r.await(20)
		return got[len(got)-1] == string(numbered(39, 0))
	})
	equal(t, got[len(got)-20:], want(40, 0)[20:])
	eventually(t, "acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 40 })
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
}

// TestSharedMadeAgain: a process that shares a consumer which was removed stops
// with a cause that may pass, and goes on with one that was made again.
func TestSharedMadeAgain(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 5, 0)
	c := b.connect()
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true}
	s := b.source(c, o)
	v := serve(t, s)
	v.read(5)
	v.commit(5)
	if err := b.plain().DeleteConsumer(t.Context(), "ORDERS", "enc"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.lane.Read(t.Context(), readLimit); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Fatalf("read: %v", err)
	}
	v.leave(nil)
	if _, err := b.plain().CreateConsumer(t.Context(), "ORDERS", s.newConsumer()); err != nil {
		t.Fatal(err)
	}
	r := read(t, b.source(c, o))
	equal(t, r.await(5), want(5, 0))
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
}
