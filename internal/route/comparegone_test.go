package route

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// compareLosing compares two sides, of which the plain one deletes records
// after the comparison was opened. gone returns how many.
func compareLosing(t *testing.T, from, against, place string, all int, opened func(), gone func() int) {
	t.Helper()
	c := Config{From: from, Keys: []string{"local:k.jwk"}}
	comparison, err := Compare(t.Context(), c, CompareOptions{Against: against}, Env{Log: quiet})
	must(t, err)
	opened()
	err = comparison.Run(t.Context())
	r, n := comparison.Report(), gone()
	must(t, comparison.Close())
	must(t, err)
	mustFind(t, r, map[string]int64{"unverifiable": int64(n)})
	note := fmt.Sprintf("up to %d records of %s were deleted while they were compared", n, place)
	if n == 0 || !r.Identical || r.Counts.Matched != int64(all-n) || !slices.Contains(r.Notes, note) {
		t.Errorf("%d gone: %+v", n, r)
	}
}

// TestCompareHotTopic: records in the middle of a topic, which retention takes
// while it is read, cannot be verified. That is no difference and no error.
func TestCompareHotTopic(t *testing.T) {
	const all, left = 40, 5
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	b.topic(t, "sealed", 1, map[string]string{"max.message.bytes": "2000000"})
	var records []*kgo.Record
	for i := range all {
		records = append(records, &kgo.Record{
			Topic: "plain", Partition: 1, Key: fmt.Append(nil, i), Value: bytes.Repeat([]byte("x"), 500_000),
		})
	}
	b.put(t, records...)
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?partition=key"})
	gone := 0
	b.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		for _, topic := range req.(*kmsg.FetchRequest).Topics {
			for _, p := range topic.Partitions {
				if p.Partition == 1 && p.FetchOffset > 0 && gone == 0 {
					gone = all - left - int(p.FetchOffset)
					b.SleepControl(func() { must(t, b.DeleteRecords("plain", 1, all-left)) })
				}
			}
		}
		return nil, nil, false
	})
	compareLosing(t, b.url+"/plain", b.url+"/sealed", "plain/1", all, func() {}, func() int { return gone })
}

// TestCompareHotStream: so it is with a stream, which says nothing of messages
// that it has deleted.
func TestCompareHotStream(t *testing.T) {
	const all, left = 40, 5
	testDir(t)
	n := startBroker(t)
	n.stream(t, "PLAIN", "p.*")
	n.stream(t, "ENC", "e.>")
	for i := range all {
		m := natsgo.NewMsg("p.a")
		m.Data = fmt.Append(nil, i)
		n.publish(t, m)
	}
	n.published(t)
	mustRun(t, Encrypt, Config{From: n.url + "/PLAIN?until=latest", To: n.url + "/ENC?subject=e.>"})
	stream, err := n.js.Stream(t.Context(), "PLAIN")
	must(t, err)
	purge := func() { must(t, stream.Purge(t.Context(), jetstream.WithPurgeSequence(all-left+1))) }
	compareLosing(t, n.url+"/PLAIN", n.url+"/ENC", "PLAIN", all, purge, func() int { return all - left })
}
