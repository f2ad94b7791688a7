package testcontainers

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testOpenTransaction has a run with an end wait for a transaction that is open
// in its source. It says for whom, and everything behind it is carried.
func (k *kafkaTest) testOpenTransaction(t *testing.T) {
	s := series{partitions: 1, n: 2000}
	k.topic(t, "open", 1)
	k.put(t, "open", 0, s.n/2, s.numbered)
	dead := k.connect(t, kgo.TransactionalID("dead"), kgo.TransactionTimeout(15*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := dead.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := dead.ProduceSync(t.Context(), &kgo.Record{Topic: "open", Value: []byte("never")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	id, epoch, err := dead.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.put(t, "open", s.n/2, s.n, s.numbered)
	p := start(t, "encrypt", "--key", k.key, "--from", k.url("open?until=latest&group=open"), "--to", k.url("open-sealed?create=true"))
	p.awaitLog(t, "records wait for the end of a transaction", 1)
	if err := dead.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	k.once(t, "open-sealed", s)
	for _, text := range []string{
		"records wait for the end of a transaction", fmt.Sprintf(`"offset":%d,"behind":%d`, s.n/2, s.n/2+1),
		fmt.Sprintf(`"producer_id":%d,"producer_epoch":%d,"begins_at":%d`, id, epoch, s.n/2),
	} {
		if p.hasLogged(text) == 0 {
			t.Errorf("the log does not have %q:\n%s", text, p.logs.String())
		}
	}
}

// testDeletedRecords has a topic lose records before a run with an end has read
// them: it says how many, and the next run has nothing to do.
func (k *kafkaTest) testDeletedRecords(t *testing.T) {
	s := series{partitions: 1, n: 200}
	k.topic(t, "lost", 1)
	args := []string{"encrypt", "--key", k.key, "--from", k.url("lost?until=latest&group=lost"), "--to", k.url("lost-sealed?create=true")}
	streamcrypt(t.Context(), t, args...)
	for i, test := range []struct {
		delete, want int64
		code         int
	}{{100, 100, 1}, {0, 0, 0}, {150, 50, 1}} {
		if i != 1 {
			k.put(t, "lost", i*50, i*50+100, s.numbered)
		}
		if test.delete > 0 {
			k.deleteRecords(t, "lost", test.delete)
		}
		p := start(t, args...)
		if code := p.exitCode(t); code != test.code {
			t.Errorf("run %d: exit code %d", i, code)
		}
		if text := fmt.Sprintf("up to %d records were deleted before they were read (lost/0: %d)", test.want, test.want); (p.hasLogged(text) > 0) != (test.want > 0) {
			t.Errorf("run %d:\n%s", i, p.logs.String())
		}
	}
	n := 0
	k.read(t, "lost-sealed", 1, func(*kgo.Record) { n++ })
	if n != 50 {
		t.Errorf("%d records are sealed", n)
	}
}

// deleteRecords deletes the records of partition 0 before an offset.
func (k *kafkaServer) deleteRecords(t *testing.T, topic string, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 60_000
	r := kmsg.NewDeleteRecordsRequestTopic()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Offset = before
	r.Topic, r.Partitions = topic, append(r.Partitions, p)
	req.Topics = append(req.Topics, r)
	res, err := req.RequestWith(t.Context(), k.client)
	if err != nil || res.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%v, %+v", err, res)
	}
}

// testStrongCopy has copies made with create=true: they keep records as long as
// the source, and take a record that fills the source's limit, there and back.
func (k *kafkaTest) testStrongCopy(t *testing.T) {
	const limit = 200_000
	k.topic(t, "strong", 1, "retention.ms", "-1", "max.message.bytes", fmt.Sprint(limit), "min.insync.replicas", "1")
	full := &kgo.Record{Topic: "strong", Value: make([]byte, limit-72), Timestamp: time.Now().Add(-30 * 24 * time.Hour)}
	for i := range full.Value {
		full.Value[i] = byte(i)
	}
	c := k.connect(t, kgo.ProducerBatchMaxBytes(2*limit))
	if err := c.ProduceSync(t.Context(), full).FirstErr(); err != nil {
		t.Fatal(err)
	}
	k.run(t, "encrypt", k.url("strong?until=latest&group=strong"), k.url("strong-sealed?create=true"))
	k.run(t, "decrypt", k.url("strong-sealed?until=latest&group=strong-sealed"), k.url("strong-opened?create=true"))
	n := 0
	k.read(t, "strong-opened", 1, func(r *kgo.Record) {
		if n++; !bytes.Equal(r.Value, full.Value) || !r.Timestamp.Equal(full.Timestamp.Truncate(time.Millisecond)) {
			t.Errorf("%s is another record", place(r))
		}
	})
	if n != 1 {
		t.Errorf("%d records", n)
	}
	for _, topic := range []string{"strong-sealed", "strong-opened"} {
		req := kmsg.NewPtrDescribeConfigsRequest()
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{"retention.ms", "min.insync.replicas"}
		req.Resources = append(req.Resources, r)
		res, err := req.RequestWith(t.Context(), k.client)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range res.Resources[0].Configs {
			if want := map[string]string{"retention.ms": "-1", "min.insync.replicas": "1"}[s.Name]; s.Value == nil || *s.Value != want || s.Source != kmsg.ConfigSourceDynamicTopicConfig {
				t.Errorf("%s: %s is %v", topic, s.Name, s.Value)
			}
		}
	}
	// A topic that is there and keeps records for a day is refused, and nothing
	// is read.
	k.topic(t, "strong-day", 1, "retention.ms", "86400000", "max.message.bytes", "1100000")
	e := exitOf(t.Context(), t, "encrypt", "--key", k.key, "--from", k.url("strong?until=latest&group=day"), "--to", k.url("strong-day"))
	if e.code != 2 || !strings.Contains(e.stderr, "retention.ms is 24h0m0s, and strong/0 has older records") {
		t.Errorf("exit code %d:\n%s", e.code, e.stderr)
	}
}
