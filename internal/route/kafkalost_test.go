package route

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producerLosses are what a broker says to a producer that it no longer knows,
// or no longer wants.
var producerLosses = []*kerr.Error{kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.OutOfOrderSequenceNumber}

// losses refuses produces to a topic, as when says of their number.
func (b *kafkaBroker) losses(topic string, code *kerr.Error, when func(nth int64) bool) *kfake.FaultHandle {
	var seen atomic.Int64
	return b.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: code, Count: -1,
		When: func(kmsg.Request) bool { return when(seen.Add(1)) },
	})
}

// A destination that loses the producer in the middle of a run: what comes from
// elsewhere is read again from where it was committed, under a new producer.
// Nothing is missing, and what is there twice is dropped when it is opened.
func TestProducerLost(t *testing.T) {
	const n = 2000
	now := func(nth int64) bool { return nth == 3 || nth == 4 || nth == 9 }
	for _, code := range producerLosses {
		t.Run(code.Message+"/file", func(t *testing.T) {
			testDir(t)
			b := startKafka(t)
			writeFile(t, "in.ndjson", numberedLines(n))
			for name, c := range map[string]Config{
				"plain":      {From: "file:in.ndjson"},
				"checkpoint": {From: "file:in.ndjson", Checkpoint: "c"},
			} {
				c.To, c.ReadAhead, c.Workers = b.url+"/"+name, 8<<10, 2
				b.topic(t, name, 1, map[string]string{"max.message.bytes": "2000000"})
				lost := b.losses(name, code, now)
				mustRun(t, Encrypt, c)
				if lost.Hits() != 3 {
					t.Errorf("%s: %d requests were refused", name, lost.Hits())
				}
				s := mustRun(t, Decrypt, Config{From: b.url + "/" + name + "?until=latest", To: "file:" + name + ".ndjson"})
				if s.Messages-s.Skipped != n || s.Gaps > 0 {
					t.Errorf("%s: %+v", name, s)
				}
				b.wantNumbers(t, name, n)
			}
		})
		t.Run(code.Message+"/nats", func(t *testing.T) {
			testDir(t)
			b, from := startKafka(t), startBroker(t)
			from.stream(t, "PLAIN", "plain")
			for i := range n {
				from.publish(t, &natsgo.Msg{Subject: "plain", Data: fmt.Appendf(nil, "%06d", i)})
			}
			from.published(t)
			lost := b.losses("sealed", code, now)
			mustRun(t, Encrypt, Config{From: from.url + "/PLAIN?until=latest&consumer=c", To: b.url + "/sealed?create=true", ReadAhead: 8 << 10, Workers: 2})
			if lost.Hits() != 3 {
				t.Errorf("%d requests were refused", lost.Hits())
			}
			b.wantNumbers(t, "sealed", n)
		})
	}
}

// numberedLines are n messages for ndjson.
func numberedLines(n int) (lines []byte) {
	for i := range n {
		lines = fmt.Appendf(lines, "{\"value\":\"%06d\"}\n", i)
	}
	return lines
}

// wantNumbers opens a topic and looks for n numbers, each once.
func (b *kafkaBroker) wantNumbers(t *testing.T, topic string, n int) {
	t.Helper()
	opened := topic + "-opened"
	mustRun(t, Decrypt, Config{From: b.url + "/" + topic + "?until=latest", To: b.url + "/" + opened + "?create=true"})
	var got []string
	for _, r := range flat(b.read(t, opened)) {
		got = append(got, string(r.Value))
	}
	slices.Sort(got)
	for i := range n {
		if want := fmt.Sprintf("%06d", i); i >= len(got) || got[i] != want {
			t.Fatalf("%s: %d numbers, and %s is not once among them", topic, len(got), want)
		}
	}
	if len(got) != n {
		t.Errorf("%s: %d numbers, want %d", topic, len(got), n)
	}
}

// TestProducerLostForGood: a destination that goes on refusing ends a run that
// has an end, and parks the lane of another; it does not go around for ever.
func TestProducerLostForGood(t *testing.T) {
	testDir(t)
	b, from := startKafka(t), startBroker(t)
	writeFile(t, "in.ndjson", numberedLines(100))
	from.stream(t, "PLAIN", "plain")
	from.publish(t, &natsgo.Msg{Subject: "plain", Data: []byte("message")})
	from.published(t)
	b.topic(t, "sealed", 1, map[string]string{"max.message.bytes": "2000000"})
	b.losses("sealed", kerr.UnknownProducerID, func(int64) bool { return true })
	var runs sync.WaitGroup // each waits for its pauses most of the time
	defer runs.Wait()
	for _, source := range []string{"file:in.ndjson", from.url + "/PLAIN?until=latest&consumer=c"} {
		runs.Go(func() { b.refuseRun(t, source) })
	}
	b.parkLane(t, from.url+"/PLAIN?consumer=d")
}

// refuseRun has a run with an end fail on a topic that refuses everything.
func (b *kafkaBroker) refuseRun(t *testing.T, source string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Encrypt(ctx, Config{From: source, To: b.url + "/sealed", Keys: []string{"local:k.jwk"}}, Env{Log: quiet})
	if err != nil {
		t.Error(err)
		return
	}
	err = r.Run(ctx)
	if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "sealed/0: [59] Unknown Producer ID") {
		t.Errorf("%s: got %v, and %v; the topic ends at %v", source, err, ctx.Err(), b.ends("sealed"))
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// parkLane has a run without an end park its lane for the same reason.
func (b *kafkaBroker) parkLane(t *testing.T, source string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Encrypt(ctx, Config{From: source, To: b.url + "/sealed", Keys: []string{"local:k.jwk"}}, Env{Log: quiet})
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	for r.Snapshot().Parked == 0 && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond) // asked again; the snapshot decides
	}
	if s := r.Snapshot(); s.Parked != 1 || s.Messages != 0 {
		t.Errorf("%+v", s)
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "in a row") {
		t.Errorf("got %v", err)
	}
	must(t, r.Close())
}

// TestDeletedInSnapshot: records that retention took before they were read are
// counted for the last line.
func TestDeletedInSnapshot(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, mixed("plain", 5, 1)...)
	c := Config{From: b.url + "/plain?group=g&until=latest", To: b.url + "/sealed?create=true"}
	if s := mustRun(t, Encrypt, c); s.Messages != 5 || s.Deleted != 0 || s.Cut != 0 {
		t.Fatalf("%+v", s)
	}
	b.put(t, mixed("plain", 15, 1)...)
	must(t, b.DeleteRecords("plain", 0, 12))
	s, err := run(t, Encrypt, c, Env{})
	if err == nil || s.Messages != 8 || s.Deleted != 7 || s.Cut != 0 {
		t.Errorf("%v: %+v", err, s)
	}
}
