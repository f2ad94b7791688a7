package demo

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stored is a message as a stream would return it.
type stored struct {
	jetstream.Msg
	m *natsgo.Msg
}

func (s stored) Subject() string        { return s.m.Subject }
func (s stored) Headers() natsgo.Header { return s.m.Header }
func (s stored) Data() []byte           { return s.m.Data }

// TestDiffer changes one thing at a time: the demonstration must not call that
// equal.
func TestDiffer(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *natsgo.Msg)
		want   int
	}{
		{"nothing", func(*natsgo.Msg) {}, 0},
		{"a header of the server's", func(m *natsgo.Msg) { m.Header.Set("Nats-Msg-Id", "1") }, 0},
		{"value", func(m *natsgo.Msg) { m.Data[0]++ }, 1},
		{"length of the value", func(m *natsgo.Msg) { m.Data = append(m.Data, ' ') }, 1},
		{"subject", func(m *natsgo.Msg) { m.Subject += ".x" }, 1},
		{"prefix of the subject", func(m *natsgo.Msg) { m.Subject = m.Subject[len("clear."):] }, 1},
		{"record key", func(m *natsgo.Msg) { m.Header.Set("Streamcrypt-Key", "eA") }, 1},
		{"tombstone", func(m *natsgo.Msg) { m.Header.Set("Streamcrypt-Null", "value") }, 1},
		{"header", func(m *natsgo.Msg) { m.Header.Set(boundHeader, "x") }, 1},
		{"header too many", func(m *natsgo.Msg) { m.Header.Set("streamcrypt", "x") }, 1},
		{"header that is missing", func(m *natsgo.Msg) { m.Header.Del("Seen-By") }, 1},
		{"order of a header's values", func(m *natsgo.Msg) { slices.Reverse(m.Header["Seen-By"]) }, 1},
		{"another message", func(m *natsgo.Msg) { m.Header.Set("Payment-Id", "x") }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after []jetstream.Msg
			for m := range makePayments(3) {
				before = append(before, stored{m: m})
				came := &natsgo.Msg{Subject: "clear." + m.Subject, Header: natsgo.Header{}, Data: bytes.Clone(m.Data)}
				for name, values := range m.Header {
					came.Header[name] = slices.Clone(values)
				}
				if len(after) == 1 {
					c.change(came)
				}
				after = append(after, stored{m: came})
			}
			if got := countDifferent(before, after); got != c.want {
				t.Errorf("%d differ, want %d", got, c.want)
			}
		})
	}
}

func TestPayments(t *testing.T) {
	const n = withdrawnEvery * 2
	again := slices.Collect(makePayments(n))
	tombstones, long := 0, 0
	i := 0
	for m := range makePayments(n) {
		if other := again[i]; m.Subject != other.Subject || !bytes.Equal(m.Data, other.Data) ||
			!maps.EqualFunc(m.Header, other.Header, slices.Equal) {
			t.Fatalf("payment %d is another one the second time", i)
		}
		if m.Header.Get("Streamcrypt-Null") != "" {
			tombstones++
		}
		i++
	}
	for m := range makePayments(longEvery) {
		if len(m.Data) > 100<<10 {
			long++
		}
	}
	if tombstones != 2 || long != 1 {
		t.Errorf("%d tombstones and %d long payments", tombstones, long)
	}
}
