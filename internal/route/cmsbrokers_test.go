package route

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// derSequence is the first byte of each CMS message in DER.
const derSequence = 0x30

// TestCMSTopics: records become CMS and plain again, in transactions. Damaged
// ones, and those of no accepted format, become dead letters; each is refused
// for its own reason, and all others arrive in order.
func TestCMSTopics(t *testing.T) {
	const n, parts = 300, 3
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", parts, nil)
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{
			Topic: "plain", Partition: int32(i % parts), Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "order %d", i),
			Headers: []kgo.RecordHeader{{Key: "trace", Value: fmt.Append(nil, i)}},
		})
	}
	b.put(t, records...)
	mustRun(t, Encrypt, Config{From: b.url + "/plain?group=e&until=latest", To: b.url + "/cms?create=true", Format: "cms"})
	sealed := b.read(t, "cms")
	for p := range sealed {
		for _, r := range sealed[p] {
			if r.Value[0] != derSequence || bytes.Contains(r.Value, []byte("order")) {
				t.Fatalf("no CMS: %x", r.Value)
			}
		}
	}
	changed := func(at int, change func(b []byte) []byte) *kgo.Record {
		r := sealed[1][at]
		return &kgo.Record{Topic: "cms", Partition: 1, Key: r.Key, Value: change(bytes.Clone(r.Value))}
	}
	b.put(t,
		changed(0, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }),
		changed(1, func(b []byte) []byte { return b[:len(b)/2] }),
		changed(2, func([]byte) []byte { return []byte(`{"plain":"text"}`) }),
		changed(3, bytes.Clone), // again: nothing in CMS tells that
	)
	c := Config{
		From: b.url + "/cms?group=d&until=latest", To: b.url + "/out?create=true", Accept: []string{"cms"},
		DeadLetter: b.url + "/dead?create=true", PassExtraHeaders: true, Workers: 3,
	}
	s := mustRun(t, Decrypt, c)
	if s.Messages != n+4 || s.Rejected != 3 || s.Unplaced != n+1 || s.Reasons[pipeline.ReasonTampered] != 1 ||
		s.Reasons[pipeline.ReasonTruncated] != 1 || s.Reasons[pipeline.ReasonNotEnvelope] != 1 {
		t.Errorf("%+v", s)
	}
	out := b.read(t, "out")
	again := out[1][len(out[1])-1]
	if !bytes.Equal(again.Value, records[3*parts+1].Value) {
		t.Errorf("the last record is %s", again.Value)
	}
	out[1] = out[1][:len(out[1])-1]
	sameRecords(t, out, b.read(t, "plain"))
	if s = mustRun(t, Decrypt, c); s.Messages != 0 {
		t.Errorf("the group did not remember: %+v", s)
	}
	dead := 0
	for _, letters := range b.read(t, "dead") {
		dead += len(letters)
	}
	if dead != 3 {
		t.Errorf("%d dead letters", dead)
	}
	fails(t, Decrypt, Config{From: b.url + "/cms?until=latest", To: b.url + "/none?create=true"}, "not-an-envelope")
}

// TestCMSStreams: messages of a stream become CMS in PEM and plain again; what
// was changed on the way parks the lane in front of it, and is not passed.
func TestCMSStreams(t *testing.T) {
	const n = 120
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>")
	b.stream(t, "CMS", "cms.>")
	b.stream(t, "OUT", "out.>")
	for i := range n {
		m := natsgo.NewMsg(fmt.Sprintf("orders.%d", i%7))
		m.Data = fmt.Appendf(nil, `{"order":%d}`, i)
		b.publish(t, m)
	}
	b.published(t)
	mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?consumer=e&until=latest", To: b.url + "/CMS?subject=cms.>", Format: "cms-pem"})
	sealed := b.read(t, "CMS")
	if len(sealed) != n || !bytes.HasPrefix(sealed[0].data, []byte("-----BEGIN CMS-----")) {
		t.Fatalf("%d messages, the first %s", len(sealed), sealed[0].data)
	}
	c := Config{From: b.url + "/CMS?consumer=d&until=latest", To: b.url + "/OUT?subject=out.>", Accept: []string{"cms"}}
	if s := mustRun(t, Decrypt, c); s.Messages != n || s.Unplaced != n || s.Rejected > 0 {
		t.Errorf("%+v", s)
	}
	for i, m := range b.read(t, "OUT") {
		if want := fmt.Sprintf(`{"order":%d}`, i); string(m.data) != want {
			t.Fatalf("message %d is %s", i, m.data)
		}
	}
	m := natsgo.NewMsg("cms.x")
	m.Data = slices.Concat(sealed[5].data[:200], []byte("AAAA"), sealed[5].data[204:])
	b.publish(t, m)
	b.published(t)
	fails(t, Decrypt, c, "CMS@121: tampered")
	if got := len(b.read(t, "OUT")); got != n {
		t.Errorf("%d messages came out", got)
	}
}
