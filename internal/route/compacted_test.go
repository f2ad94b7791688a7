package route

import (
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestCompactedTopics: where a topic is compacted, messages that are missing
// are no gap, and an old message that comes late is set aside where the
// destination is. Both are judged for each topic of a route.
func TestCompactedTopics(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, numbered("plain", 8, 1)...)
	for topic, order := range map[string][]int{
		"copy.compact": {0, 1, 3, 4, 6, 5, 7}, // without 2, and 5 late
		"copy.delete":  {0, 1, 3, 2, 5, 4},    // 2 and 4 late
	} {
		config := map[string]string{"cleanup.policy": topic[len("copy."):], "retention.ms": "-1"}
		b.topic(t, topic, 1, config)
		b.topic(t, "out."+topic, 1, config)
		mustRun(t, Encrypt, Config{
			From: b.url + "/plain?until=latest", To: b.url + "/sealed." + topic + "?create=true", Context: topic,
		})
		sealed := b.read(t, "sealed."+topic)[0]
		for _, i := range order {
			r := sealed[i]
			b.put(t, &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp})
		}
	}
	s := mustRun(t, Decrypt, Config{
		From: b.url + `/~copy\..*?group=g&until=latest`, To: b.url + "/out.{topic}",
		DeadLetter: "file:late.ndjson",
	})
	if s.Gaps != 2 || s.Reordered != 3 {
		t.Errorf("%d gaps, %d reordered", s.Gaps, s.Reordered)
	}
	if s.Rejected != 1 || s.Reasons[pipeline.ReasonReordered] != 1 {
		t.Errorf("rejected %d: %v", s.Rejected, s.Reasons)
	}
	if compact, other := len(b.read(t, "out.copy.compact")[0]), len(b.read(t, "out.copy.delete")[0]); compact != 6 || other != 6 {
		t.Errorf("%d and %d messages, want 6 and 6", compact, other)
	}
}

// TestLastValueStreams: the same for streams that keep so many messages of each
// subject.
func TestLastValueStreams(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "p.*")
	b.stream(t, "ENC", "e.>")
	for _, subject := range []string{"p.a", "p.b", "p.c", "p.a", "p.b"} {
		b.publish(t, &natsgo.Msg{Subject: subject, Data: []byte(subject)})
	}
	b.published(t)
	mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?until=latest", To: b.url + "/ENC?subject=e.>"})
	stream, err := b.js.Stream(t.Context(), "ENC")
	must(t, err)
	sealed := b.read(t, "ENC")

	must(t, stream.DeleteMsg(t.Context(), 2))
	verify := Config{From: b.url + "/ENC"}
	if s, _ := run(t, Verify, verify, Env{}); s.Gaps != 1 {
		t.Errorf("a message was deleted: %d gaps", s.Gaps)
	}
	_, err = b.js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "ENC", Subjects: []string{"e.>"}, MaxMsgsPerSubject: 3})
	must(t, err)
	if s := mustRun(t, Verify, verify); s.Gaps != 0 || s.Messages != 4 {
		t.Errorf("a stream with three messages a subject: %d gaps, %d messages", s.Gaps, s.Messages)
	}

	must(t, stream.Purge(t.Context()))
	for _, i := range []int{0, 1, 3, 2, 4} {
		b.publish(t, &natsgo.Msg{Subject: sealed[i].subject, Header: sealed[i].header, Data: sealed[i].data})
	}
	b.published(t)
	for name, want := range map[string]struct{ limit, rejected int64 }{"ALL": {-1, 0}, "LAST": {1, 1}, "THREE": {3, 1}} {
		_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: name, Subjects: []string{name + ".>"}, MaxMsgsPerSubject: want.limit,
		})
		must(t, err)
		s := mustRun(t, Decrypt, Config{
			From: b.url + "/ENC?until=latest", To: b.url + "/" + name + "?subject=" + name + ".>",
			Context: "ENC", DeadLetter: "file:" + name + ".ndjson",
		})
		if s.Reordered != 1 || s.Rejected != want.rejected || s.Reasons[pipeline.ReasonReordered] != want.rejected {
			t.Errorf("%s: %d reordered, rejected %d: %v", name, s.Reordered, s.Rejected, s.Reasons)
		}
	}
}
