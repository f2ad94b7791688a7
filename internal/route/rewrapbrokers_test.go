package route

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestRewrapTopics: a topic is copied record by record, with its partitions,
// keys, headers and times; its readers keep the context.
func TestRewrapTopics(t *testing.T) {
	const n, parts = 3000, 4
	for _, profile := range []string{"self", "ref"} {
		t.Run(profile, func(t *testing.T) {
			rewrapDir(t)
			b := startKafka(t)
			b.topic(t, "plain", parts, nil)
			b.put(t, mixed("plain", n, parts)...)
			mustRun(t, Encrypt, config(profile, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true", Workers: 3}))
			c := rewrapped(config(profile, Config{From: b.url + "/sealed?group=g&until=latest", To: b.url + "/new?create=true", Workers: 3}))
			s := mustRun(t, Rewrap, c)
			if s.Rewrapped != n || s.DataKeys != 1 || s.Skipped+s.Rejected+s.Already > 0 || s.Total != n {
				t.Errorf("%+v", s)
			}
			sealed, moved := b.read(t, "sealed"), b.read(t, "new")
			for p := range sealed {
				for i, r := range sealed[p] {
					sameButForRecipients(t, profile, moved[p][i], r)
				}
			}
			sameRecords(t, moved, sealed)
			out := with("new.jwk", config(profile, Config{From: b.url + "/new?until=latest", To: b.url + "/out?create=true"}))
			if profile == "self" {
				fails(t, Verify, with("new.jwk", Config{From: b.url + "/new"}), "tampered") // the context is still the other topic's name
			}
			out.Context = "sealed"
			if s = mustRun(t, Decrypt, out); s.Messages != n || s.Skipped+s.Gaps+s.Foreign > 0 {
				t.Errorf("opening: %+v", s)
			}
			sameRecords(t, b.read(t, "out"), b.read(t, "plain"))
			if s = mustRun(t, Rewrap, c); s.Messages != 0 {
				t.Errorf("the group did not remember: %+v", s)
			}
		})
	}
}

// sameButForRecipients checks how an envelope changed, and makes got have
// want's, for a comparison of all else.
func sameButForRecipients(t *testing.T, profile string, got, want *kgo.Record) {
	t.Helper()
	g, w := &got.Value, &want.Value
	if got.Value == nil {
		last := len(got.Headers) - 1
		g, w = &got.Headers[last].Value, &want.Headers[last].Value
	}
	const recipient = 8 + 2 + 40 + 2 // kid, wrapped key and what stands around them in the end
	switch same := bytes.Equal(*g, *w); {
	case same != (profile == "ref"), len(*g) != len(*w), !bytes.Equal((*g)[:len(*g)-recipient], (*w)[:len(*w)-recipient]):
		t.Fatalf("%d bytes became %d, the same: %v", len(*w), len(*g), same)
	}
	*g = *w
}

// TestRewrapStreams: a stream is copied into one of the same subjects on
// another server, tombstones and record keys too.
func TestRewrapStreams(t *testing.T) {
	rewrapDir(t)
	from, to := startBroker(t), startBroker(t)
	from.stream(t, "PLAIN", "orders.>")
	from.stream(t, "ENC", "enc.>")
	to.stream(t, "ENC2", "enc.>")
	const n = 500
	for i := range n {
		m := natsgo.NewMsg(fmt.Sprintf("orders.%d", i%7))
		m.Data = fmt.Appendf(nil, `{"order":%d}`, i)
		m.Header.Set("Trace-Id", fmt.Sprint("t", i))
		m.Header.Set("Streamcrypt-Key", "a2V5")
		if i%10 == 3 {
			m.Data = nil
			m.Header.Set("Streamcrypt-Null", "value")
		}
		from.publish(t, m)
	}
	from.published(t)
	mustRun(t, Encrypt, Config{From: from.url + "/PLAIN?consumer=enc&until=latest", To: from.url + "/ENC?subject=enc.>"})
	c := rewrapped(Config{From: from.url + "/ENC?consumer=re&until=latest", To: to.url + "/ENC2", Workers: 3})
	if s := mustRun(t, Rewrap, c); s.Rewrapped != n || s.DataKeys != 1 || s.Rejected+s.Skipped > 0 {
		t.Errorf("%+v", s)
	}
	if s := mustRun(t, Rewrap, c); s.Messages != 0 {
		t.Errorf("the consumer did not remember: %+v", s)
	}
	sealed, moved := from.read(t, "ENC"), to.read(t, "ENC2")
	if len(sealed) != n || len(moved) != n {
		t.Fatalf("%d and %d messages", len(sealed), len(moved))
	}
	order := func(a, b stored) int {
		return bytes.Compare([]byte(a.header.Get("Trace-Id")), []byte(b.header.Get("Trace-Id")))
	}
	slices.SortStableFunc(sealed, order)
	slices.SortStableFunc(moved, order)
	for i := range n {
		s, m := sealed[i], moved[i]
		if s.subject != m.subject || s.header.Get("Streamcrypt-Key") != m.header.Get("Streamcrypt-Key") || bytes.Equal(s.data, m.data) && len(s.data) > 0 {
			t.Fatalf("%+v became %+v", s, m)
		}
	}
	fails(t, Verify, with("new.jwk", Config{From: to.url + "/ENC2"}), "tampered")
	if s := mustRun(t, Verify, with("new.jwk", Config{From: to.url + "/ENC2", Context: "ENC"})); s.Messages != n {
		t.Errorf("verifying: %+v", s)
	}
}
