package nats

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestMirrorThatHoldsLess: a mirror that answers for its origin and was purged
// has no say in where a run ends or begins. Servers share single messages of a
// stream with allow_direct out among its leader, its replicas and such mirrors.
func TestMirrorThatHoldsLess(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", func(c *jetstream.StreamConfig) { c.AllowDirect = true })
	before := time.Now()
	b.fill("ORDERS", 20, 0)
	mirror, err := b.plain().CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "COPY", Storage: jetstream.FileStorage, AllowDirect: true, MirrorDirect: true,
		Mirror: &jetstream.StreamSource{Name: "ORDERS"},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mirror to have everything", func() bool {
		info, err := mirror.Info(t.Context())
		return err == nil && info.State.LastSeq == 20
	})
	if err := mirror.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	origin, err := b.plain().Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer of the mirror", func() bool {
		_, err := origin.GetMsg(t.Context(), 20)
		return isNotFound(err)
	})

	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true})
	stream, err := s.conn.js.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPeeker(t.Context(), s.conn, SourceOptions{Stream: "ORDERS"})
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		if nothing, err := s.holdsNothing(t.Context(), 20); nothing || err != nil {
			t.Fatalf("nothing is behind 19: %v, %v", nothing, err)
		}
		if at, err := findTime(t.Context(), s.conn, stream, before.Add(-time.Hour)); at != 1 || err != nil {
			t.Fatalf("an hour before the first message: %d, %v", at, err)
		}
		if at, err := findTime(t.Context(), s.conn, stream, time.Now().Add(time.Hour)); at != 21 || err != nil {
			t.Fatalf("behind the last message: %d, %v", at, err)
		}
		if m, err := p.Peek(t.Context(), 20); err != nil || m.Origin.Offset != 20 {
			t.Fatalf("the last message: %v, %v", m.Origin, err)
		}
	}
}
