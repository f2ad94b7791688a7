package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

func TestTopics(t *testing.T) {
	const n, parts = 5000, 4
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		t.Run(delivery, func(t *testing.T) {
			testDir(t)
			b := startKafka(t)
			b.topic(t, "plain", parts, nil)
			b.put(t, mixed("plain", n, parts)...)
			bind := []string{"header:trace"}
			to := "?create=true&delivery=" + delivery
			s := mustRun(t, Encrypt, Config{From: b.url + "/plain?group=enc&until=latest", To: b.url + "/sealed" + to, Bind: bind, Workers: 3})
			if s.Messages != n || s.Done != n || s.Total != n || s.Unit != endpoint.Messages || s.Skipped+s.Rejected+s.Parked > 0 {
				t.Errorf("sealing: %+v", s)
			}
			if s = mustRun(t, Verify, Config{From: b.url + "/sealed", Bind: bind}); s.Messages != n || s.Gaps+s.Foreign+s.BytesOut != 0 {
				t.Errorf("verifying: %+v", s)
			}
			s = mustRun(t, Decrypt, Config{From: b.url + "/sealed?group=dec&until=latest", To: b.url + "/out" + to, Bind: bind, Workers: 3})
			if s.Messages != n || s.Skipped+s.Rejected+s.Gaps+s.Foreign > 0 {
				t.Errorf("opening: %+v", s)
			}
			plain, sealed := b.read(t, "plain"), b.read(t, "sealed")
			sameRecords(t, b.read(t, "out"), plain)
			checkSealed(t, sealed, plain)
			b.checkPositions(t, sealed, plain)
			controls := b.PartitionInfos("sealed")[0].HighWatermark - int64(len(sealed[0]))
			if (controls > 0) != (delivery == "exactly-once") {
				t.Errorf("%s: %d control records", delivery, controls)
			}
		})
	}
}

// checkSealed checks what of a record may be seen when it is sealed, and what
// not.
func checkSealed(t *testing.T, sealed, plain [][]*kgo.Record) {
	t.Helper()
	for p := range plain {
		for i, r := range plain[p] {
			s := *sealed[p][i]
			switch {
			case r.Value == nil && (s.Value != nil || s.Headers[len(s.Headers)-1].Key != "streamcrypt"):
				t.Fatalf("partition %d, tombstone %d became %+v", p, i, s)
			case r.Value == nil:
				s.Headers = s.Headers[:len(s.Headers)-1]
			case len(s.Value) < len(r.Value)+50 || len(r.Value) > 4 && bytes.Contains(s.Value, r.Value):
				t.Fatalf("partition %d, record %d is not sealed", p, i)
			}
			s.Value = r.Value
			if d := difference(&s, r); d != "" {
				t.Fatalf("partition %d, record %d: %s", p, i, d)
			}
		}
	}
}

// checkPositions checks that envelopes say where their messages were stored.
func (b *kafkaBroker) checkPositions(t *testing.T, sealed, plain [][]*kgo.Record) {
	t.Helper()
	for p := range sealed {
		topic := b.TopicInfo("plain").TopicID
		id, err := endpoint.EncodeIdentity("kafka", b.clusterID(t), topic[:])
		must(t, err)
		for i, r := range sealed[p] {
			value := r.Value
			if value == nil {
				value = []byte(header(r, "streamcrypt"))
			}
			var e cms.Envelope
			must(t, cms.Parse(value, &e))
			if at := e.Position; at.Source != id.Short() || at.Partition != uint16(p) || at.Form&cms.FormSamePartition == 0 ||
				at.Offset != uint64(plain[p][i].Offset) || at.Distance != 1 && i > 0 {
				t.Fatalf("partition %d, record %d: position %+v", p, i, at)
			}
		}
	}
}

// What is refused is noted in the transaction of the messages around it: the
// letters join it, and nothing else is lost.
func TestTopicLetters(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	encrypt := Config{From: b.url + "/plain?group=enc&until=latest", To: b.url + "/sealed?create=true"}
	b.put(t, mixed("plain", 30, 2)...)
	mustRun(t, Encrypt, encrypt)
	good := b.read(t, "sealed")[0]
	moved := *good[len(good)-1]
	moved.Key = []byte("moved")
	bad := []*kgo.Record{
		{Topic: "sealed", Key: []byte("bare")},
		{Topic: "sealed", Key: []byte("plain"), Value: []byte("a plaintext")},
		&moved,
		{Topic: "sealed", Key: []byte("large"), Value: bytes.Repeat([]byte("x"), 1<<20)}, // too large for a letter that has it
	}
	first := b.PartitionInfos("sealed")[0].HighWatermark
	b.put(t, bad...)
	b.put(t, mixed("plain", 20, 2)...)
	mustRun(t, Encrypt, encrypt)

	for _, from := range []string{"/sealed?until=latest&partitions=0", "/sealed?until=latest&group=fails"} {
		fails(t, Decrypt, Config{From: b.url + from, To: b.url + "/parted?create=true"}, fmt.Sprintf("sealed/0@%d: bare-tombstone", first))
	}
	fails(t, Verify, Config{From: b.url + "/sealed"}, "bare-tombstone")
	fails(t, Verify, Config{From: b.url + "/sealed", Context: "plain"}, "sealed/0@0: tampered")

	s := mustRun(t, Decrypt, Config{
		From: b.url + "/sealed?group=dec&until=latest", To: b.url + "/opened?create=true", DeadLetter: b.url + "/dead?create=true",
	})
	if s.Messages != 54 || s.Rejected != 4 || fmt.Sprint(s.Reasons) != "map[bare-tombstone:1 not-an-envelope:2 tampered:1]" || s.Parked > 0 {
		t.Errorf("%+v", s)
	}
	sameRecords(t, b.read(t, "opened"), b.read(t, "plain"))
	letters := flat(b.read(t, "dead"))
	if len(letters) != len(bad) {
		t.Fatalf("%d letters", len(letters))
	}
	reasons := []string{"bare-tombstone", "not-an-envelope", "tampered", "not-an-envelope"}
	bad[3].Value = nil
	for i, r := range letters {
		origin := fmt.Sprintf("sealed/0@%d", first+int64(i))
		if !bytes.Equal(r.Key, bad[i].Key) || !bytes.Equal(r.Value, bad[i].Value) || len(r.Headers) < 2 ||
			header(r, pipeline.HeaderOrigin) != origin || header(r, pipeline.HeaderReason) != reasons[i] {
			t.Errorf("letter %d: %q %.80q %v", i, r.Key, r.Value, r.Headers)
		}
		if r.ProducerID < 0 || !r.Attrs.IsTransactional() {
			t.Errorf("letter %d is in no transaction", i)
		}
	}
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// Plaintext never reaches the letters, and several lanes may share a file of
// them.
func TestTopicLettersInAFile(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 8, nil)
	var records []*kgo.Record
	for i := range 400 {
		r := &kgo.Record{Topic: "plain", Partition: int32(i % 8), Key: fmt.Appendf(nil, "k%d", i), Value: []byte("payload")}
		if i%4 == 0 {
			r.Headers = []kgo.RecordHeader{{Key: "streamcrypt"}}
		}
		records = append(records, r)
	}
	b.put(t, records...)
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		s := mustRun(t, Encrypt, Config{
			From: b.url + "/plain?until=latest&start=earliest&group=" + delivery,
			To:   b.url + "/sealed?create=true&delivery=" + delivery, Workers: 4,
			DeadLetter: "file:" + delivery + ".ndjson",
		})
		if s.Messages != 400 || s.Rejected != 100 {
			t.Errorf("%+v", s)
		}
		letters := readFile(t, delivery+".ndjson")
		if n := bytes.Count(letters, []byte(`"reserved-header"`)); n != 100 || bytes.Contains(letters, []byte("payload")) {
			t.Errorf("%d letters: %.400s", n, letters)
		}
	}
	if n := len(flat(b.read(t, "sealed"))); n != 600 {
		t.Errorf("%d sealed", n)
	}
}

// A group goes on where it was, also when it is joined after a run with an end;
// nothing is sealed twice.
func TestGroupResumes(t *testing.T) {
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		t.Run(delivery, func(t *testing.T) {
			testDir(t)
			b := startKafka(t)
			b.topic(t, "plain", 3, nil)
			c := Config{From: b.url + "/plain?group=g&until=latest", To: b.url + "/sealed?create=true&delivery=" + delivery, Instance: "i"}
			for _, n := range []int{30, 0, 20} {
				b.put(t, mixed("plain", n, 3)...)
				if s := mustRun(t, Encrypt, c); s.Messages != int64(n) || s.Total != int64(n) {
					t.Errorf("%+v, want %d messages", s, n)
				}
			}
			c.From = b.url + "/plain?group=g"
			for range 2 {
				b.put(t, mixed("plain", 10, 3)...)
				b.until(t, Encrypt, c, func(s Snapshot) bool { return s.Messages == 10 })
			}
			if s := mustRun(t, Verify, Config{From: b.url + "/sealed"}); s.Messages != 70 || s.Gaps+s.Skipped+s.Foreign > 0 {
				t.Errorf("a restart has left a seam: %+v", s)
			}
			mustRun(t, Decrypt, Config{From: b.url + "/sealed?until=latest", To: b.url + "/out?create=true"})
			sameRecords(t, b.read(t, "out"), b.read(t, "plain"))
		})
	}
}

// until runs a route without an end until done.
func (b *kafkaBroker) until(t *testing.T, open direct, c Config, done func(Snapshot) bool) {
	t.Helper()
	c.Keys = []string{"local:k.jwk"}
	r, err := open(t.Context(), c, Env{Log: quiet})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	deadline := time.After(time.Minute)
	for !done(r.Snapshot()) {
		select {
		case err := <-ended:
			t.Fatalf("it ended by itself: %v", err)
		case <-deadline:
			t.Fatalf("not done: %+v", r.Snapshot())
		case <-time.After(5 * time.Millisecond): // asked again; done decides
		}
	}
	cancel()
	must(t, <-ended)
	if s := r.Snapshot(); s.Total != 0 || s.Unit != endpoint.Messages || !done(s) {
		t.Errorf("%+v", s)
	}
	must(t, r.Close())
}

// The Gate's state is kept with the offsets: what was opened before a restart
// and comes again is dropped.
func TestGateBehindATopic(t *testing.T) {
	for _, delivery := range []string{"exactly-once", "at-least-once"} {
		testDir(t)
		b := startKafka(t)
		b.topic(t, "plain", 1, nil)
		b.put(t, mixed("plain", 10, 1)...)
		mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true"})
		decrypt := Config{From: b.url + "/sealed?group=dec&until=latest", To: b.url + "/out?create=true&delivery=" + delivery}
		mustRun(t, Decrypt, decrypt)
		// Without a group nobody remembers that the topic was sealed already.
		mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?delivery=at-least-once"})
		b.put(t, mixed("plain", 5, 1)...)
		mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest&start=10", To: b.url + "/sealed?delivery=at-least-once"})
		s := mustRun(t, Decrypt, decrypt)
		if s.Messages != 15 || s.Skipped != 10 || s.Foreign > 0 {
			t.Errorf("%s: %+v", delivery, s)
		}
		sameRecords(t, b.read(t, "out"), b.read(t, "plain"))
	}
}

// Records keep everything in an archive but their partition, which their key
// decides on the way back.
func TestTopicThroughFiles(t *testing.T) {
	const n = 1000
	for _, archive := range []string{"s.scx", "s.ndjson"} {
		t.Run(archive, func(t *testing.T) {
			testDir(t)
			b := startKafka(t)
			b.topic(t, "plain", 3, nil)
			records := mixed("plain", n, 3)
			for _, r := range records {
				r.Key = fmt.Appendf(nil, "key %d", r.Partition) // then their order is kept, whatever partition that becomes
			}
			b.put(t, records...)
			s := mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: "file:" + archive})
			if s.Messages != n {
				t.Errorf("sealing: %+v", s)
			}
			if s = mustRun(t, Verify, Config{From: "file:" + archive}); s.Messages != n {
				t.Errorf("verifying: %+v", s)
			}
			b.topic(t, "out", 5, nil)
			s = mustRun(t, Decrypt, Config{From: "file:" + archive, To: b.url + "/out"})
			if s.Messages != n || s.Skipped > 0 {
				t.Errorf("opening: %+v", s)
			}
			sameRecords(t, [][]*kgo.Record{byKey(flat(b.read(t, "out")))}, [][]*kgo.Record{byKey(flat(b.read(t, "plain")))})

			// A file of plaintext, sealed into a topic, and a topic opened into
			// a file.
			mustRun(t, Decrypt, Config{From: "file:" + archive, To: "file:p.ndjson"})
			mustRun(t, Encrypt, Config{From: "file:p.ndjson", To: b.url + "/sealed?create=true"})
			mustRun(t, Decrypt, Config{From: b.url + "/sealed?until=latest", To: "file:q.ndjson"})
			if p, q := readFile(t, "p.ndjson"), readFile(t, "q.ndjson"); len(p) != len(q) || bytes.Count(p, []byte("\n")) != n {
				t.Errorf("%d bytes became %d", len(p), len(q))
			}
		})
	}
}

// With a checkpoint a file holds every record once, with a group and without
// one. It is the topic's, not its name's.
func TestTopicIntoAFileWithACheckpoint(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 4, nil)
	for _, group := range []string{"", "&group=g"} {
		c := Config{From: b.url + "/plain?until=latest" + group, To: "file:s" + group + ".scx", Checkpoint: "ck" + group}
		for range 2 {
			b.put(t, mixed("plain", 25, 4)...)
			mustRun(t, Encrypt, c)
		}
		n := len(flat(b.read(t, "plain")))
		s := mustRun(t, Verify, Config{From: c.To})
		if s.Messages != int64(n) || s.Skipped > 0 {
			t.Errorf("%q: %+v, want %d messages", group, s, n)
		}
	}
	must(t, b.DeleteTopic("plain"))
	b.topic(t, "plain", 4, nil)
	refuses(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: "file:s.scx", Checkpoint: "ck"}, "made for source")
}

// A subject is bound where there is one, and a record of Kafka has none.
func TestTopicAndStream(t *testing.T) {
	testDir(t)
	k, n := startKafka(t), startBroker(t)
	n.stream(t, "ENC", "enc")
	n.stream(t, "PLAIN", "plain.>")
	n.stream(t, "OUT", "out")
	k.topic(t, "plain", 3, nil)
	records := mixed("plain", 300, 3)
	for _, r := range records {
		r.Key = fmt.Appendf(nil, "key %d", r.Partition)
		r.Headers = []kgo.RecordHeader{{Key: "trace", Value: fmt.Append(nil, r.Timestamp.UnixMilli())}}
	}
	k.put(t, records...)
	bind := []string{"header:trace"}
	mustRun(t, Encrypt, Config{From: k.url + "/plain?until=latest&group=g", To: n.url + "/ENC?subject=enc", Bind: bind, Workers: 3})
	s := mustRun(t, Decrypt, Config{From: n.url + "/ENC?until=latest", To: k.url + "/out?create=true", Bind: bind})
	if s.Messages != 300 || s.Skipped+s.Rejected > 0 {
		t.Errorf("%+v", s)
	}
	was, is := byKey(flat(k.read(t, "plain"))), byKey(flat(k.read(t, "out")))
	for i := range is {
		is[i].Timestamp = was[i].Timestamp // a stream has its own
	}
	sameRecords(t, [][]*kgo.Record{is}, [][]*kgo.Record{was})

	// And the other way round.
	for i := range 100 {
		n.publish(t, &natsgo.Msg{Subject: fmt.Sprintf("plain.%d", i%3), Data: fmt.Append(nil, i)})
	}
	n.published(t)
	mustRun(t, Encrypt, Config{From: n.url + "/PLAIN?until=latest&consumer=c", To: k.url + "/enc?create=true"})
	s = mustRun(t, Decrypt, Config{From: k.url + "/enc?until=latest&group=g", To: n.url + "/OUT?subject=out"})
	if s.Messages != 100 || s.Skipped+s.Rejected > 0 {
		t.Errorf("%+v", s)
	}
	seen := map[string]bool{}
	for _, m := range n.read(t, "OUT") {
		seen[string(m.data)] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d messages", len(seen))
	}
}

// What can be known before the first record is.
func TestTopicRefusals(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 3, nil)
	b.topic(t, "few", 2, map[string]string{"max.message.bytes": "2000000"})
	b.topic(t, "small", 3, nil)
	other := startKafka(t, kfake.ClusterID("another"))
	aka := strings.Replace(b.url, "127.0.0.1", "localhost", 1)
	group := b.url + "/plain?group=g"
	for _, tc := range []struct {
		name string
		c    Config
		want string
		hint string
	}{
		{"no source", Config{From: b.url + "/none?group=g", To: b.url + "/o?create=true"}, "kafka topic none: no such topic", "name right"},
		{"no destination", Config{From: group, To: b.url + "/none"}, "kafka topic none: no such topic", "create=true"},
		{"few partitions", Config{From: group, To: b.url + "/few"}, "too few partitions", "partition=key"},
		{"small records", Config{From: group, To: b.url + "/small"}, "max.message.bytes", "create=true"},
		{"itself under another name", Config{From: group, To: aka + "/plain"}, "from and to are the same topic", ""},
		{"letters into the source", Config{From: group, To: b.url + "/o?create=true", DeadLetter: aka + "/plain"}, "from and dead letters are the same topic", ""},
		{"no letters", Config{From: group, To: b.url + "/o?create=true", DeadLetter: b.url + "/none"}, "dead letters: kafka topic none", "create=true"},
		{"exactly once elsewhere", Config{From: group, To: other.url + "/o?create=true&delivery=exactly-once"}, "exactly-once is not possible", "at-least-once"},
		{"exactly once without a group", Config{From: b.url + "/plain?until=latest", To: b.url + "/o?create=true&delivery=exactly-once"}, "exactly-once is not possible", "at-least-once"},
		{"a partition", Config{From: b.url + "/plain?until=latest&partitions=3", To: b.url + "/o?create=true"}, "no partition 3", ""},
		{"no password", Config{From: group + "&sasl=plain&user=u&password-file=none", To: b.url + "/o"}, "parameter password-file: stat none", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := refuses(t, Encrypt, tc.c, tc.want)
			var advised *hint.Error
			if tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)) {
				t.Errorf("the hint of %v lacks %q", err, tc.hint)
			}
		})
	}
}

// A file is written by one lane, whoever leads the partitions.
func TestManyLeadersIntoAFile(t *testing.T) {
	testDir(t)
	b := startKafka(t, kfake.NumBrokers(3))
	b.topic(t, "plain", 9, nil)
	b.put(t, mixed("plain", 900, 9)...)
	s := mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: "file:o.scx"})
	if s.Messages != 900 {
		t.Errorf("%+v", s)
	}
	s = mustRun(t, Decrypt, Config{From: "file:o.scx", To: b.url + "/back?create=true&partition=key"})
	if s.Messages != 900 || len(flat(b.read(t, "back"))) != 900 {
		t.Errorf("%+v", s)
	}
}

func TestClusterRefusals(t *testing.T) {
	testDir(t)
	writeFile(t, "wrong", []byte("hunter2"))
	writeFile(t, "right", []byte("right"))
	b := startKafka(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "joe", "right"))
	from := b.url + "/plain?group=g&sasl=scram-sha-256&user=joe&password-file="
	err := refuses(t, Encrypt, Config{From: from + "wrong", To: "file:o.scx"}, "hangs up")
	var refused *hint.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Hint, "password wrong") {
		t.Errorf("no hint in %v", err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
	refuses(t, Encrypt, Config{From: from + "right", To: "file:o.scx"}, "no such topic")
	noFile(t, "o.scx")

	old := startKafka(t, kfake.MaxVersions(kversion.V2_3_0()))
	var advised *hint.Error
	if err := refuses(t, Encrypt, Config{From: old.url + "/plain?group=g", To: "file:o.scx"}, "too old"); !errors.As(err, &advised) || !strings.Contains(advised.Hint, "2.5") {
		t.Errorf("got %v", err)
	}
}

// Lanes and the largest batch count, and the log says what is promised.
func TestTopicMemoryAndPromise(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 3, map[string]string{"max.message.bytes": "9000000"})
	for to, want := range map[string]struct {
		lanes       int
		delivery    string
		compressors int64
	}{
		b.url + "/sealed?create=true": {3, "exactly-once", 0},
		b.url + "/sealed2?create=true&delivery=at-least-once&compression=lz4": {
			3, "at-least-once", 3 * int64(batch.CompressorMemory(batch.LZ4, 9_000_000+envelopeRoom)),
		},
		"file:s.scx": {1, "", 0},
	} {
		var logged bytes.Buffer
		c := Config{From: b.url + "/plain?group=g", To: to, Keys: []string{"local:k.jwk"}, Workers: 4}
		preview, err := MakePreview(t.Context(), "encrypt", c, Env{})
		must(t, err)
		r, err := Encrypt(t.Context(), c, Env{Log: slog.New(slog.NewTextHandler(&logged, nil))})
		must(t, err)
		lanes := int64(want.lanes) * int64(batch.CodecMemoryFor(9_000_000)) // that inflate
		memory := pipeline.Memory(pipeline.Options{Workers: 4}, want.lanes, 9_000_000) + lanes + want.compressors
		if got := r.job.(*records).memory; got != memory {
			t.Errorf("%s: %d bytes, want %d", to, got, memory)
		}
		if to != "file:s.scx" && preview.Memory != memory { // the plan does not know that a file makes one lane of all
			t.Errorf("%s: the plan says %d bytes, want %d", to, preview.Memory, memory)
		}
		if !strings.Contains(logged.String(), "delivery="+want.delivery) && want.delivery != "" {
			t.Errorf("%s: logged %s", to, logged.String())
		}
		if !strings.Contains(logged.String(), "larger than half") {
			t.Errorf("%s: no warning of large batches: %s", to, logged.String())
		}
		must(t, r.Close())
	}
	// A record that fits a larger budget can be inflated.
	c := Config{From: b.url + "/plain?group=g", To: "file:s.scx", Keys: []string{"local:k.jwk"}, Workers: 1, Budget: 64 << 20}
	r, err := Encrypt(t.Context(), c, Env{})
	must(t, err)
	want := pipeline.Memory(pipeline.Options{Workers: 1, Budget: 64 << 20}, 1, 9_000_000) + int64(batch.CodecMemoryFor(32<<20))
	if got := r.job.(*records).memory; got != want {
		t.Errorf("budget of 64 MiB: %d bytes, want %d", got, want)
	}
	must(t, r.Close())
}

// Kafka splits nothing: what a topic does not take is the record's fault, and
// known before it is sent.
func TestRecordTooLargeForItsTopic(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "sealed", 1, map[string]string{"max.message.bytes": "2000"})
	writeFile(t, "in.ndjson", fmt.Appendf(nil, "{\"value\":\"%01500d\"}\n{\"key\":\"k\",\"value\":\"%01950d\"}\n{\"value\":\"x\"}\n", 1, 2))
	c := Config{From: "file:in.ndjson", To: b.url + "/sealed"}
	fails(t, Encrypt, c, "in.ndjson@1: too-large")
	c.DeadLetter = b.url + "/dead?create=true"
	s := mustRun(t, Encrypt, c)
	if s.Messages != 3 || s.Rejected != 1 || s.Reasons["too-large"] != 1 {
		t.Errorf("%+v", s)
	}
	if dead := flat(b.read(t, "dead")); len(dead) != 1 || header(dead[0], pipeline.HeaderOrigin) != "in.ndjson@1" || dead[0].Value != nil {
		t.Errorf("letters: %+v", dead)
	}
}

// What a URL says of a topic that is written.
func TestTopicParameters(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 5, nil)
	records := mixed("plain", 200, 5)
	for i, r := range records {
		r.Key = fmt.Appendf(nil, "key %d", i%20)
		r.Partition = int32(i % 5) // the same key in one partition, as a producer would
	}
	b.put(t, records...)
	large := map[string]string{"max.message.bytes": "2000000"}
	b.topic(t, "keyed", 3, large)
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/keyed?partition=key&compression=lz4"})
	of := map[string]int32{}
	for _, r := range flat(b.read(t, "keyed")) {
		if p, ok := of[string(r.Key)]; ok && p != r.Partition {
			t.Fatalf("%s is in partitions %d and %d", r.Key, p, r.Partition)
		}
		of[string(r.Key)] = r.Partition
		if c := r.Attrs.CompressionType(); c != 3 {
			t.Fatalf("compression %d", c)
		}
	}
	if len(of) != 20 {
		t.Errorf("%d keys", len(of))
	}
	s := mustRun(t, Decrypt, Config{From: b.url + "/keyed?until=latest&start=5&partitions=0,2", To: b.url + "/some?create=true"})
	want := 0
	for p, n := range b.ends("keyed") {
		if p != 1 {
			want += int(n) - 5
		}
	}
	if s.Messages != int64(want) || len(flat(b.read(t, "some"))) != want {
		t.Errorf("%+v, want %d messages", s, want)
	}
	for _, r := range flat(b.read(t, "some")) {
		if c := r.Attrs.CompressionType(); c != 0 {
			t.Fatalf("compression %d", c)
		}
	}
}

// A run with an end knows how far that is before it gets there.
func TestTopicProgress(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 4, nil)
	b.put(t, mixed("plain", 100, 4)...)
	stdout, held := io.Pipe()
	c := Config{From: b.url + "/plain?until=latest", To: "file:-?format=ndjson", Keys: []string{"local:k.jwk"}}
	r, err := Encrypt(t.Context(), c, Env{Log: quiet, Stdout: held})
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context()) }()
	one := make([]byte, 1)
	_, err = stdout.Read(one) // and no more, so that nothing is written
	must(t, err)
	if s := r.Snapshot(); s.Done != 0 || s.Total != 100 || s.Unit != endpoint.Messages {
		t.Errorf("%+v", s)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	must(t, <-ended)
	if s := r.Snapshot(); s.Done != 100 || s.Total != 100 {
		t.Errorf("%+v", s)
	}
	must(t, r.Close())
	must(t, held.Close())
}
