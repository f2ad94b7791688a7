package nats

import (
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestReadConsumer holds that a consumer is at the end when nothing is left for
// it, also if the last messages are for others or have been deleted.
func TestReadConsumer(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("S", nil)
	conn := b.connect()
	p, err := NewPeeker(t.Context(), conn, SourceOptions{Stream: "S"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.plain().Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := s.CreateConsumer(t.Context(), jetstream.ConsumerConfig{
		Durable: "eu", AckPolicy: jetstream.AckExplicitPolicy, FilterSubjects: []string{"s.eu", "s.ch"},
	})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(subject string) { b.publish(&natsgo.Msg{Subject: subject, Data: []byte{1}}) }
	fetch := func() jetstream.Msg {
		m, err := consumer.Next()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	ack := func(m jetstream.Msg) {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(step string, next int64) {
		t.Helper()
		at, ok, err := p.ReadConsumer(t.Context(), "eu")
		if err != nil || !ok || at.Next != next {
			t.Errorf("%s: %+v, %v, %v, want %d", step, at, ok, err, next)
		}
	}
	awaitCount := func() { // the server counts what is published a moment later
		for {
			if info, err := consumer.Info(t.Context()); err != nil {
				t.Fatal(err)
			} else if info.NumPending == 1 {
				return
			}
		}
	}
	want("nothing is there", 1)
	publish("s.us")
	want("one for others", 2)
	publish("s.eu")
	publish("s.us")
	awaitCount()
	want("one for it", 1) // the server has not acknowledged any
	m := fetch()
	want("delivered", 1)
	ack(m)
	want("acknowledged", 4)
	publish("s.ch")
	publish("s.eu")
	first, second := fetch(), fetch()
	ack(second)
	want("acknowledged out of order", 3)
	ack(first)
	want("all are acknowledged", 6)
	publish("s.eu")
	awaitCount()
	if err := s.DeleteMsg(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	want("the last one is deleted", 7)
	if _, ok, err := p.ReadConsumer(t.Context(), "us"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}
