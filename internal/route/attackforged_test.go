package route

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// forgeableRecords are records of one partition with keys, headers and times.
// The second one is a tombstone.
func forgeableRecords(topic string) (all []*kgo.Record) {
	for i := range 6 {
		r := &kgo.Record{
			Topic: topic, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "%d", i),
			Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)),
			Headers:   []kgo.RecordHeader{{Key: "h", Value: fmt.Append(nil, i)}, {Key: "g", Value: nil}},
		}
		if i == 1 {
			r.Value = nil
		}
		all = append(all, r)
	}
	return all
}

// flipAt returns an envelope with one bit changed; below zero, at counts from
// its end.
func flipAt(b []byte, at int) []byte {
	b = bytes.Clone(b)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 1
	return b
}

// withRecipients returns an envelope with another array of recipients.
func withRecipients(t *testing.T, b []byte, change func(genuine []byte) [][]byte) []byte {
	t.Helper()
	var e cms.Envelope
	must(t, cms.Parse(b, &e))
	all := change(e.Recipients[1:]) // one recipient, behind the head of the array
	out := append(bytes.Clone(b[:len(b)-len(e.Recipients)]), 0x80|byte(len(all)))
	return append(out, bytes.Join(all, nil)...)
}

// TestAttackForged: a record that somebody has changed in any part, or put
// there, is refused for what it is, and costs none of the genuine ones.
func TestAttackForged(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, forgeableRecords("plain")...)
	plain := b.read(t, "plain")[0]
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true", Bind: []string{"all", "time"}})
	sealed := b.read(t, "sealed")[0]
	tombstone, envelopeOf := sealed[1], func(r *kgo.Record) []byte { return r.Headers[len(r.Headers)-1].Value }
	var e cms.Envelope
	must(t, cms.Parse(sealed[0].Value, &e))
	position := bytes.Index(sealed[0].Value, e.Commitment) - cms.PositionSize
	iv := bytes.Index(sealed[0].Value, e.IV)
	junk := withRecipients(t, sealed[0].Value, func(genuine []byte) [][]byte { return [][]byte{flipAt(genuine, -1)} })
	stranger := []byte("\x83\x40\xa2\x01\x24\x04\x48strange!\x58\x28" + string(make([]byte, 40)))
	unknown := []byte("\x83\x40\xa1\x01\x3a\x00\x01\x86\x9e\x40")
	for name, attack := range map[string]struct {
		change func(r *kgo.Record)
		want   string // why it is refused; "" if it passes
	}{
		"key":                    {func(r *kgo.Record) { r.Key = []byte("zz") }, "tampered"},
		"null key":               {func(r *kgo.Record) { r.Key = nil }, "tampered"},
		"value of another":       {func(r *kgo.Record) { r.Value = sealed[2].Value }, "tampered"},
		"header value":           {func(r *kgo.Record) { r.Headers[0].Value = []byte("EVIL") }, "tampered"},
		"header value not null":  {func(r *kgo.Record) { r.Headers[1].Value = []byte{} }, "tampered"},
		"header name":            {func(r *kgo.Record) { r.Headers[0].Key = "H" }, "tampered"},
		"header dropped":         {func(r *kgo.Record) { r.Headers = r.Headers[:1] }, "tampered"},
		"headers in other order": {func(r *kgo.Record) { slices.Reverse(r.Headers) }, "tampered"},
		"header in front": {func(r *kgo.Record) {
			r.Headers = slices.Insert(r.Headers, 0, kgo.RecordHeader{Key: "x", Value: []byte("y")})
		}, "tampered"},
		"header behind": {func(r *kgo.Record) { r.Headers = append(r.Headers, kgo.RecordHeader{Key: "x"}) }, ""},
		"time":          {func(r *kgo.Record) { r.Timestamp = time.UnixMilli(1) }, "tampered"},
		"plaintext":     {func(r *kgo.Record) { r.Value = []byte(`{"amount":1}`) }, "not-an-envelope"},
		"nothing":       {func(r *kgo.Record) { r.Value = []byte{} }, "not-an-envelope"},
		"null":          {func(r *kgo.Record) { r.Value = nil }, "bare-tombstone"},
		"tombstone of another": {func(r *kgo.Record) {
			r.Value, r.Headers = nil, tombstone.Headers
		}, "tampered"},
		"value as a tombstone": {func(r *kgo.Record) {
			r.Headers, r.Value = append(r.Headers, kgo.RecordHeader{Key: "streamcrypt", Value: r.Value}), nil
		}, "tampered"},
		"tombstone as a value": {func(r *kgo.Record) {
			r.Key, r.Value, r.Headers, r.Timestamp = tombstone.Key, envelopeOf(tombstone), plain[1].Headers, tombstone.Timestamp
		}, "tampered"},
		"a value with the header of tombstones": {func(r *kgo.Record) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "streamcrypt", Value: []byte("x")})
		}, "reserved-header"},
		"offset":              {func(r *kgo.Record) { r.Value = flipAt(r.Value, position+18) }, "tampered"},
		"created":             {func(r *kgo.Record) { r.Value = flipAt(r.Value, position+25) }, "tampered"},
		"bound headers":       {func(r *kgo.Record) { r.Value = flipAt(r.Value, position+27) }, "tampered"},
		"unknown bit of form": {func(r *kgo.Record) { r.Value = bytes.Clone(r.Value); r.Value[position] |= 0x80 }, "unsupported"},
		"commitment":          {func(r *kgo.Record) { r.Value = flipAt(r.Value, position+40) }, "wrong-key"},
		"IV":                  {func(r *kgo.Record) { r.Value = flipAt(r.Value, iv) }, "tampered"},
		"wrapped key":         {func(r *kgo.Record) { r.Value = flipAt(r.Value, -1) }, "unknown-key"},
		"content algorithm": {func(r *kgo.Record) {
			r.Value = bytes.Replace(r.Value, []byte("\xa2\x01\x03\x3a"), []byte("\xa2\x01\x01\x3a"), 1)
		}, "unsupported"},
		"recipients off, and by name": {func(r *kgo.Record) {
			r.Value = append([]byte("\xd0\x83"), r.Value[3:len(r.Value)-len(e.Recipients)]...)
		}, "malformed"},
		"recipient of junk": {func(r *kgo.Record) { r.Value = junk }, "unknown-key"},
		"recipient of junk in front": {func(r *kgo.Record) {
			r.Value = withRecipients(t, r.Value, func(genuine []byte) [][]byte { return [][]byte{flipAt(genuine, -1), genuine} })
		}, "unknown-key"},
		"recipients of others around": {func(r *kgo.Record) {
			r.Value = withRecipients(t, r.Value, func(genuine []byte) [][]byte { return [][]byte{stranger, unknown, genuine, unknown} })
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			forged := *sealed[0]
			forged.Headers = slices.Clone(sealed[0].Headers)
			attack.change(&forged)
			topic := fmt.Sprintf("t%x", name)
			b.topic(t, topic, 1, nil)
			var put []*kgo.Record
			for _, r := range append([]*kgo.Record{&forged}, sealed[1:]...) {
				put = append(put, &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp})
			}
			b.put(t, put...)
			s := mustRun(t, Decrypt, Config{
				From: b.url + "/" + topic + "?until=latest", To: b.url + "/out-" + topic + "?create=true",
				Context: "sealed", DeadLetter: "file:" + topic + ".ndjson", Bind: []string{"all", "time"},
			})
			want := plain
			if attack.want != "" {
				want = plain[1:]
				if s.Rejected != 1 || s.Reasons[pipeline.Reason(attack.want)] != 1 {
					t.Errorf("%d rejected, %v; want one %s", s.Rejected, s.Reasons, attack.want)
				}
			}
			sameRecords(t, b.read(t, "out-"+topic), [][]*kgo.Record{want})
		})
	}
}
