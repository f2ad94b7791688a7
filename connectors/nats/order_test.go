package nats

import (
	"slices"
	"testing"
	"time"
)

// TestOrderUnderPressure reads so slowly that the lane is full again and again.
// A session that was ended to relieve the pressure lost the messages on their
// way to it: they came again after AckWait, behind later ones.
func TestOrderUnderPressure(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	const messages, size = 3000, 4 << 10
	b.fill("ORDERS", messages, size)
	s := b.source(b.connect(), SourceOptions{
		Stream: "ORDERS", Consumer: "enc", AckWait: 10 * time.Second, ReadAhead: 64 << 10, UntilEnd: true,
	})
	v := serve(t, s)
	var got []string
	for range 3 {
		v.fill()
		for n := len(got); len(got) < n+400; {
			values, count := v.read(1)
			got = append(got, values...)
			v.commit(count)
		}
	}
	got = append(got, v.rest()...)
	if !slices.Equal(got, want(messages, size)) {
		at := slices.IndexFunc(got, func(s string) bool { return s != string(numbered(slices.Index(got, s), size)) })
		t.Fatalf("%d messages, the first out of order is number %d", len(got), at)
	}
	v.leave(nil)
}

// TestNoMoreIsAskedFor: a lane that is lost, and that nobody has let go yet,
// asks for nothing more. Messages that nobody takes would come before every
// answer of the server.
func TestNoMoreIsAskedFor(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 20_000, 100)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", ReadAhead: 64 << 10}))
	v.fill()
	l := v.lane.(*lane)
	l.mu.Lock()
	l.lose("by the test")
	l.mu.Unlock()
	got, _ := v.read(1) // what is here is in order, and makes room
	for {
		batch, err := v.lane.Read(t.Context(), readLimit)
		if err != nil {
			break
		}
		got = append(got, take(batch)...)
	}
	equal(t, got, want(20_000, 100)[:len(got)])
	eventually(t, "the request ends", func() bool { return b.consumer("ORDERS", "enc").NumWaiting == 0 })
	if pending := b.consumer("ORDERS", "enc").NumAckPending; pending > 10_000 {
		t.Fatalf("%d messages were delivered", pending)
	}
	v.leave(nil)
}
