package route

import (
	"bytes"
	"fmt"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// TestConvertTopics: topics, one and several, become JWE and envelopes again,
// with their partitions, keys and times. Positions are kept: a second run finds
// nothing more.
func TestConvertTopics(t *testing.T) {
	const n, parts = 400, 3
	testDir(t)
	b := startKafka(t)
	records := map[string][]*kgo.Record{}
	for _, topic := range []string{"red", "blue"} {
		b.topic(t, topic, parts, nil)
		for i := range n {
			r := &kgo.Record{Topic: topic, Partition: int32(i % parts), Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "%s %d", topic, i)}
			records[topic] = append(records[topic], r)
		}
		b.put(t, records[topic]...)
	}
	names := b.url + "/~(red|blue)?group="
	mustRun(t, Encrypt, Config{From: names + "e&until=latest", To: b.url + "/{topic}.sealed?create=true"})
	sealed := b.url + "/~(red|blue)[.]sealed?group="
	c := Config{From: sealed + "c&until=latest", To: b.url + "/{topic}.jwe?create=true", Format: "jwe", Workers: 3}
	s := mustRun(t, Convert, c)
	if s.Messages != 2*n || s.Rejected+s.Skipped+s.Gaps+s.Foreign > 0 {
		t.Errorf("to jwe: %+v", s)
	}
	if s = mustRun(t, Convert, c); s.Messages != 0 {
		t.Errorf("the group did not remember: %+v", s)
	}
	jwes := b.read(t, "red.sealed.jwe")
	for p := range jwes {
		for _, r := range jwes[p] {
			if bytes.Count(r.Value, []byte(".")) != 4 || len(r.Headers) > 0 {
				t.Fatalf("no JWE: %s, %v", r.Value, r.Headers)
			}
		}
	}
	c = Config{From: b.url + "/~(red|blue)[.]sealed[.]jwe?group=c&until=latest", To: b.url + "/{topic}.cose?create=true", Format: "cose"}
	if s = mustRun(t, Convert, c); s.Messages != 2*n || s.Rejected > 0 {
		t.Errorf("to cose: %+v", s)
	}
	for topic := range records {
		// The context is the topic that was written: each has its own.
		from := Config{From: b.url + "/" + topic + ".sealed.jwe.cose?until=latest", To: b.url + "/" + topic + ".out?create=true"}
		if s = mustRun(t, Decrypt, from); s.Messages != n || s.Gaps+s.Foreign+s.Unplaced+s.Skipped > 0 {
			t.Errorf("%s: %+v", topic, s)
		}
		sameRecords(t, b.read(t, topic+".out"), b.read(t, topic))
		mustRun(t, Verify, Config{From: b.url + "/" + topic + ".sealed.jwe", Accept: []string{"jwe"}})
	}
	mustRun(t, Encrypt, Config{From: names + "j&until=latest", To: b.url + "/{topic}.direct?create=true", Format: "jwe"})
	if s = mustRun(t, Verify, Config{From: b.url + "/~(red|blue)[.]direct", Accept: []string{"jwe"}}); s.Messages != 2*n {
		t.Errorf("encrypted at once: %+v", s)
	}
}

// TestConvertStreams: streams likewise, where subjects change with the
// destination.
func TestConvertStreams(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>")
	b.stream(t, "ENC", "enc.>")
	b.stream(t, "JWE", "jwe.>")
	b.stream(t, "COSE", "cose.>")
	b.stream(t, "OUT", "out.>")
	const n = 200
	for i := range n {
		m := natsgo.NewMsg(fmt.Sprintf("orders.%d", i%7))
		m.Data = fmt.Appendf(nil, `{"order":%d}`, i)
		m.Header.Set("Trace-Id", fmt.Sprint("t", i))
		b.publish(t, m)
	}
	b.published(t)
	mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?consumer=enc&until=latest", To: b.url + "/ENC?subject=enc.>"})
	toJWE := Config{From: b.url + "/ENC?consumer=c&until=latest", To: b.url + "/JWE?subject=jwe.>", Format: "jwe"}
	if s := mustRun(t, Convert, toJWE); s.Messages != n || s.Rejected+s.Skipped+s.Gaps > 0 {
		t.Errorf("to jwe: %+v", s)
	}
	if s := mustRun(t, Convert, toJWE); s.Messages != 0 {
		t.Errorf("the consumer did not remember: %+v", s)
	}
	mustRun(t, Convert, Config{From: b.url + "/JWE?consumer=c&until=latest", To: b.url + "/COSE?subject=cose.>", Format: "cose"})
	if s := mustRun(t, Decrypt, Config{From: b.url + "/COSE?consumer=d&until=latest", To: b.url + "/OUT?subject=out.>"}); s.Messages != n || s.Gaps+s.Skipped > 0 {
		t.Errorf("decrypting: %+v", s)
	}
	out := b.read(t, "OUT")
	if len(out) != n {
		t.Fatalf("%d messages", len(out))
	}
	seen := map[string]bool{}
	for _, m := range out {
		seen[string(m.data)] = true
	}
	for i := range n {
		if !seen[fmt.Sprintf(`{"order":%d}`, i)] {
			t.Errorf("message %d is missing", i)
		}
	}
}

// TestConversionHasAGate: a stream that is converted to another format is
// opened with a Gate, and its messages are published as those of a route that
// seals; a message of the format is told from another by nothing but its form.
func TestConversionHasAGate(t *testing.T) {
	testDir(t)
	for _, c := range []struct {
		do     direction
		format string
		accept []string
		want   endpoint.Session
	}{
		{encrypt, "", nil, endpoint.Session{Seals: true, Growth: envelopeRoom}},
		{encrypt, "jwe", nil, endpoint.Session{Seals: true, Growth: otherRoom}},
		{decrypt, "", nil, endpoint.Session{Opens: true, HasGate: true, Growth: -envelopeRoom}},
		{decrypt, "", []string{"jwe"}, endpoint.Session{Opens: true, HasGate: true, Growth: -envelopeRoom}},
		{rewrap, "", nil, endpoint.Session{Opens: true, Seals: true}},
		{conversion, "jwe", nil, endpoint.Session{Opens: true, HasGate: true, Seals: true, Growth: otherRoom}},
		{conversion, "cose", nil, endpoint.Session{Seals: true, Growth: envelopeRoom}},
	} {
		p, err := newPlan(c.do, Config{From: "file:a.ndjson", To: "file:b.ndjson", Format: c.format, Accept: c.accept,
			Keys: []string{"local:k.jwk"}, OldKeys: []string{"local:other.jwk"}}, Env{Log: quiet}.complete())
		must(t, err)
		s := p.newSession(archive.Functions{}, &closers{})
		if s.Opens != c.want.Opens || s.Seals != c.want.Seals || s.HasGate != c.want.HasGate || s.Growth != c.want.Growth ||
			(s.IsSameMessage != nil) != c.want.Seals || s.Work != c.do.String() {
			t.Errorf("%v %s: %+v", c.do, c.format, s)
		}
	}
}
