package nats

import (
	"errors"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestUntilTime ends a run before the first message of a time, wherever that
// lies, and also where messages around it are gone.
func TestUntilTime(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	var at []time.Time
	for i := range 30 {
		seq := b.publish(numberedMsg("ORDERS", i, 0))
		s, err := b.plain().Stream(t.Context(), "ORDERS")
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, m.Time)
	}
	b.remove("ORDERS", 1, 2, 10, 11, 12, 20, 29, 30)
	gone := map[int]bool{0: true, 1: true, 9: true, 10: true, 11: true, 19: true, 28: true, 29: true}
	c := b.connect()
	for i := range at {
		s := b.source(c, SourceOptions{Stream: "ORDERS", UntilEnd: true, Until: Until{Time: at[i]}})
		v := serve(t, s)
		var expected []string
		for k, value := range want(30, 0)[:i] {
			if !gone[k] {
				expected = append(expected, value)
			}
		}
		same(t, v.rest(), expected)
		v.leave(nil)
	}
}

// TestEndsThatGo: the messages in front of the end go while the run reads:
// deleted, purged, or none of a filter's is left. It ends by itself, and what
// the stream's limits or a purge took is counted.
func TestEndsThatGo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		filters []string
		until   Until
		take    func(b *broker)
		left    int // messages that come, of which two do before the others go
		deleted int64
	}{
		{"deleted one by one", nil, Until{}, func(b *broker) { b.remove("ORDERS", 19, 20) }, 18, 0},
		{"purged", nil, Until{}, func(b *broker) { b.purgeUpTo("ORDERS", 25) }, 0, 20},
		{"purged up to the middle", nil, Until{Sequence: 16}, func(b *broker) { b.purgeUpTo("ORDERS", 11) }, 5, 10},
		{"the filter's last one", []string{"orders.eu"}, Until{}, func(b *broker) { b.remove("ORDERS", 18, 20) }, 8, 0},
	} {
		for _, consumer := range []string{"enc", ""} {
			t.Run(test.name+"/"+consumer, func(t *testing.T) {
				b := startBroker(t, nil)
				b.stream("ORDERS", func(c *jetstream.StreamConfig) { c.Subjects = []string{"orders.*"} })
				for i := range 30 {
					subject := []string{"orders.us", "orders.eu"}[i%2]
					b.publish(&natsgo.Msg{Subject: subject, Data: numbered(i, 0)})
				}
				o := SourceOptions{Stream: "ORDERS", Consumer: consumer, UntilEnd: true, Filters: test.filters, Until: test.until}
				if o.Until == (Until{}) {
					o.Until.Sequence = 21
				}
				s := b.source(b.connect(), o)
				test.take(b) // before the consumer delivers
				v := serve(t, s)
				if got := v.rest(); len(got) != test.left {
					t.Errorf("%d messages come: %q", len(got), got)
				}
				v.commit(test.left)
				if test.deleted == 0 {
					v.leave(nil)
					return
				}
				v.let <- nil
				err := <-v.done
				if lost, ok := errors.AsType[*DeletedError](err); !ok || lost.Deleted != test.deleted {
					t.Errorf("got %v, want %d deleted", err, test.deleted)
				}
			})
		}
	}
}

// purgeUpTo purges the messages before a sequence.
func (b *broker) purgeUpTo(stream string, sequence uint64) {
	b.t.Helper()
	s, err := b.plain().Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := s.Purge(b.t.Context(), jetstream.WithPurgeSequence(sequence)); err != nil {
		b.t.Fatal(err)
	}
}

// TestPeekersEnd: single messages are looked at up to the same end.
func TestPeekersEnd(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	p, err := NewPeeker(t.Context(), b.connect(), SourceOptions{Stream: "ORDERS", Until: Until{Sequence: 6}})
	if err != nil {
		t.Fatal(err)
	}
	if first, end := p.Bounds(); first != 1 || end != 6 {
		t.Errorf("from %d to %d", first, end)
	}
	if m, err := p.Peek(t.Context(), 6); err == nil {
		t.Errorf("message %d lies behind the end", m.Origin.Offset)
	}
}
