package route

import (
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestSameMessages: a run that writes again what a stream has does not store
// it twice, tombstones included; and an envelope of another message, which
// somebody has put there under the id of the next one, does not take its place.
func TestSameMessages(t *testing.T) {
	testDir(t)
	k, n := startKafka(t), startBroker(t)
	k.topic(t, "plain", 1, nil)
	k.put(t,
		&kgo.Record{Topic: "plain", Key: []byte("a"), Value: []byte("1")},
		&kgo.Record{Topic: "plain", Key: []byte("a")}, // a tombstone
		&kgo.Record{Topic: "plain", Key: []byte("b"), Value: []byte("2")},
		&kgo.Record{Topic: "plain", Key: []byte("b")},
	)
	writeFile(t, "secret", make([]byte, 32))
	n.stream(t, "ENC", "e")
	c := Config{From: k.url + "/plain?until=latest", To: n.url + "/ENC?subject=e&id-secret=secret"}
	raw := func(sequence uint64) *natsgo.Msg {
		t.Helper()
		s, err := n.js.Stream(t.Context(), "ENC")
		must(t, err)
		m, err := s.GetMsg(t.Context(), sequence)
		must(t, err)
		return &natsgo.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}
	}
	for range 2 {
		mustRun(t, Encrypt, c)
		if got := n.read(t, "ENC"); len(got) != 4 {
			t.Fatalf("%d messages, want 4", len(got))
		}
	}

	// The first three ids are taken, by envelopes of other messages.
	value, tombstone, other := raw(1), raw(2), raw(3)
	swap := func(id, envelope *natsgo.Msg) *natsgo.Msg {
		m := &natsgo.Msg{Subject: "e", Header: natsgo.Header{}, Data: envelope.Data}
		for name, values := range envelope.Header {
			m.Header[name] = values
		}
		m.Header["Nats-Msg-Id"] = id.Header["Nats-Msg-Id"]
		return m
	}
	last := raw(4)
	must(t, n.js.DeleteStream(t.Context(), "ENC"))
	n.stream(t, "ENC", "e")
	for _, m := range []*natsgo.Msg{swap(value, other), swap(tombstone, last), swap(other, tombstone)} {
		n.publish(t, m)
	}
	n.published(t)
	mustRun(t, Encrypt, c)
	if got := n.read(t, "ENC"); len(got) != 7 {
		t.Fatalf("%d messages, want 7", len(got))
	}
	s, err := n.js.Stream(t.Context(), "ENC")
	must(t, err)
	for sequence := range uint64(3) { // the strange ones, which came first
		must(t, s.DeleteMsg(t.Context(), sequence+1))
	}
	mustRun(t, Decrypt, Config{From: n.url + "/ENC?until=latest", To: k.url + "/out?create=true"})
	got := byKey(flat(k.read(t, "out")))
	want := byKey(flat(k.read(t, "plain")))
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for _, r := range got {
		if r.Value != nil && (string(r.Key) == "a") != (string(r.Value) == "1") {
			t.Errorf("%q has %q", r.Key, r.Value)
		}
	}
}
