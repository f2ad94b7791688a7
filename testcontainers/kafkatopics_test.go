package testcontainers

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testAppendTime: the broker's times become those of the records, which then
// say that they are their own.
func (k *kafkaTest) testAppendTime(t *testing.T) {
	s := series{partitions: parts, n: 20_000}
	k.topic(t, "appended", parts, "message.timestamp.type", "LogAppendTime")
	k.put(t, "appended", 0, s.n, s.record)
	times := make([][]time.Time, parts)
	k.read(t, "appended", parts, func(r *kgo.Record) {
		if r.Attrs.TimestampType() != 1 {
			t.Fatalf("%s does not have the broker's time", place(r))
		}
		times[r.Partition] = append(times[r.Partition], r.Timestamp)
	})
	k.run(t, "encrypt", k.url("appended?until=latest&group=enc"), k.url("appended-sealed?create=true"))
	k.run(t, "decrypt", k.url("appended-sealed?until=latest&group=dec"), k.url("appended-opened?create=true"))
	for _, topic := range []string{"appended-sealed", "appended-opened"} {
		seen := make([]int, parts)
		k.read(t, topic, parts, func(r *kgo.Record) {
			i := seen[r.Partition]
			seen[r.Partition]++
			if i >= len(times[r.Partition]) || !r.Timestamp.Equal(times[r.Partition][i]) || r.Attrs.TimestampType() != 0 {
				t.Fatalf("%s: time %v of kind %d", place(r), r.Timestamp, r.Attrs.TimestampType())
			}
		})
	}
	k.compare(t, "appended-opened", s, func(topic string, i int) *kgo.Record {
		r := s.record(topic, i)
		r.Timestamp = times[i%parts][i/parts]
		return r
	})
}

// testGrown: partitions that a topic gets during a run are read too.
func (k *kafkaTest) testGrown(t *testing.T) {
	few, all := series{partitions: 2, n: 20_000}, series{partitions: parts, n: 60_000}
	k.topic(t, "grown", few.partitions)
	k.topic(t, "grown-sealed", parts, "max.message.bytes", "2000000")
	k.put(t, "grown", 0, few.n, few.numbered)
	p := start(t, "encrypt", "--key", k.key, "--from", k.url("grown?group=grown"), "--to", k.url("grown-sealed"))
	k.await(t, "grown-sealed", few.n)
	req := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "grown", parts
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), 60_000
	if res, err := req.RequestWith(t.Context(), k.client); err != nil || res.Topics[0].ErrorCode != 0 {
		t.Fatal(err, res)
	}
	k.put(t, "grown", few.n, all.n, all.numbered, kgo.MetadataMinAge(100*time.Millisecond))
	k.await(t, "grown-sealed", all.n)
	p.end(t)
	seen, last := map[string]bool{}, make([]string, parts)
	k.read(t, "grown-sealed", parts, func(r *kgo.Record) {
		if key := string(r.Key); seen[key] || key < last[r.Partition] {
			t.Fatalf("%s: %s is there twice, or comes after %s", place(r), key, last[r.Partition])
		}
		seen[string(r.Key)], last[r.Partition] = true, string(r.Key)
	})
	if len(seen) != all.n {
		t.Errorf("%d records, want %d", len(seen), all.n)
	}
}

// testMadeAnew: a run whose topic is deleted and made again says so, and
// carries nothing of the new one.
func (k *kafkaTest) testMadeAnew(t *testing.T) {
	s := series{partitions: 1, n: 100_000}
	k.topic(t, "anew", 1)
	k.put(t, "anew", 0, s.n, s.numbered)
	var fetches atomic.Int64
	due, done := make(chan struct{}), make(chan struct{})
	k.proxy.use(t, proxyRules{asked: func(r kafkaRequest) bool {
		if r.key() == kmsg.Fetch && fetches.Add(1) == 5 {
			close(due)
			<-done
		}
		return true
	}})
	p := start(t, "encrypt", "--key", k.key, "--read-ahead", "64KiB",
		"--from", k.proxy.url("anew?until=latest&group=anew"), "--to", k.proxy.url("anew-sealed?create=true"))
	select {
	case <-due:
		k.delete(t, "anew")
		k.topic(t, "anew", 1)
	case <-p.ended:
	}
	close(done)
	<-p.ended
	if logs := p.logs.String(); p.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(logs, "made again") && !strings.Contains(logs, "made anew") {
		t.Errorf("it ended with %v: %s", p.err, logs)
	}
	next := 0
	k.read(t, "anew-sealed", 1, func(r *kgo.Record) {
		if want := fmt.Sprintf("%09d", next); string(r.Key) != want {
			t.Fatalf("%s: got %s, want %s", place(r), r.Key, want)
		}
		next++
	})
	if next == 0 || next == s.n {
		t.Errorf("%d records were carried", next)
	}
}

func (k *kafkaServer) delete(t *testing.T, topic string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = &topic
	req.Topics, req.TopicNames, req.TimeoutMillis = append(req.Topics, rt), []string{topic}, 60_000
	if res, err := req.RequestWith(t.Context(), k.client); err != nil || res.Topics[0].ErrorCode != 0 {
		t.Fatal(err, res)
	}
}
