package nats

import (
	"errors"
	"io"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestPeek(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 8)
	s, err := b.plain().Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []uint64{1, 5, 6, 10} {
		if err := s.DeleteMsg(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
	}
	p, err := NewPeeker(t.Context(), b.connect(), SourceOptions{Stream: "ORDERS"})
	if err != nil {
		t.Fatal(err)
	}
	if first, end := p.Bounds(); first != 2 || end != 11 || p.Place() != "ORDERS" {
		t.Errorf("%s from %d to %d", p.Place(), first, end)
	}
	b.fill("ORDERS", 1, 8) // behind the end
	for at, want := range map[int64]int64{-1: 2, 0: 2, 2: 2, 4: 4, 5: 7, 6: 7, 9: 9, 10: 0, 11: 0} {
		m, err := p.Peek(t.Context(), at)
		switch {
		case want == 0 && !errors.Is(err, io.EOF):
			t.Errorf("at %d: %v, want the end", at, err)
		case want != 0 && (err != nil || m.Origin.Offset != want || m.Origin.Place != "ORDERS" || string(m.Value) != string(numbered(int(want-1), 8))):
			t.Errorf("at %d: %+v %q, %v, want %d", at, m.Origin, m.Value, err, want)
		}
	}
}

// TestPeekMessage holds that a Peeker shows a message as a Source does.
func TestPeekMessage(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("S", nil)
	msg := natsgo.NewMsg("s.eu")
	msg.Header.Set(NullHeader, "value")
	msg.Header.Set(KeyHeader, "a2V5")
	msg.Header.Set("streamcrypt", "sealed")
	b.publish(msg)
	b.publish(&natsgo.Msg{Subject: "s.us", Data: []byte{}})
	conn := b.connect()
	p, err := NewPeeker(t.Context(), conn, SourceOptions{Stream: "S"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Peek(t.Context(), 1)
	if err != nil || m.Value != nil || string(m.Key) != "key" || string(m.Subject) != "s.eu" ||
		len(m.Headers) != 1 || m.Headers[0].Name != "streamcrypt" || string(m.Headers[0].Value) != "sealed" {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = p.Peek(t.Context(), 2); err != nil || m.Value == nil || m.Key != nil {
		t.Errorf("%+v, %v", m, err)
	}

	filtered, err := NewPeeker(t.Context(), conn, SourceOptions{Stream: "S", Filters: []string{"s.us", "s.none"}})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = filtered.Peek(t.Context(), 1); err != nil || string(m.Subject) != "s.us" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, filters := range [][]string{{"s.us", "s.eu"}, {"s.eu", "s.us"}} {
		p, err := NewPeeker(t.Context(), conn, SourceOptions{Stream: "S", Filters: filters})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := p.Peek(t.Context(), 1); err != nil || m.Origin.Offset != 1 {
			t.Errorf("%q: %+v, %v", filters, m.Origin, err)
		}
	}
	from, err := NewPeeker(t.Context(), conn, SourceOptions{Stream: "S", Start: Start{Sequence: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if first, end := from.Bounds(); first != 2 || end != 3 {
		t.Errorf("from %d to %d", first, end)
	}
}

func TestPeekerRefused(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("S", nil)
	conn := b.connect()
	for _, o := range []SourceOptions{
		{Stream: "a b"}, {Stream: "S", Start: Start{Time: time.Unix(1, 0)}}, {Stream: "S", Start: Start{New: true}},
	} {
		if _, err := NewPeeker(t.Context(), conn, o); err == nil {
			t.Errorf("%+v was opened", o)
		}
	}
	if _, err := NewPeeker(t.Context(), conn, SourceOptions{Stream: "NONE"}); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("%v", err)
	}
	p, err := NewPeeker(t.Context(), conn, SourceOptions{Stream: "S"})
	if err != nil {
		t.Fatal(err)
	}
	if first, end := p.Bounds(); first < end {
		t.Errorf("an empty stream from %d to %d", first, end)
	}
	if _, err := p.Peek(t.Context(), 1); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}
