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
