package route

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/internal/proof"
)

// compare compares two sides, and checks that the error says the same as the
// report.
func compare(t *testing.T, c Config, o CompareOptions) *proof.Report {
	t.Helper()
	if c.Keys == nil {
		c.Keys = []string{"local:k.jwk"}
	}
	c.Wait = new(time.Duration)
	comparison, err := Compare(t.Context(), c, o, Env{Log: quiet})
	must(t, err)
	err = comparison.Run(t.Context())
	report := comparison.Report()
	must(t, comparison.Close())
	var found *FindingError
	if err != nil && !errors.As(err, &found) {
		t.Fatal(err)
	}
	if report.Identical != (err == nil) || report.Problem != "" {
		t.Fatalf("error %v, report %+v", err, report)
	}
	return report
}

// mustFind checks the counts of findings in a report, by their words.
func mustFind(t *testing.T, r *proof.Report, want map[string]int64) {
	t.Helper()
	c := &r.Counts
	got := map[string]int64{}
	for word, n := range map[string]int64{
		"missing": c.Missing, "extra": c.Extra, "different": c.Different, "reordered": c.Reordered,
		"undecryptable": c.Undecryptable, "unverifiable": c.Unverifiable, "duplicates": c.Duplicates,
		"unplaced": c.Unplaced, "superseded": c.Superseded, "extra headers": c.ExtraHeaders,
	} {
		if n > 0 {
			got[word] = n
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("found %v, want %v\n%+v", got, want, r)
	}
}

// TestCompareFiles: archives and files of lines are compared with the records
// that they were made of; each change is named.
func TestCompareFiles(t *testing.T) {
	testDir(t)
	const n = 300
	plain := richLines(0, n)
	writeFile(t, "in.ndjson", plain)
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"})
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson"})
	for _, against := range []string{"file:s.scx", "file:s.ndjson"} {
		r := compare(t, Config{From: "file:in.ndjson"}, CompareOptions{Against: against, Ciphertext: true})
		if !r.Identical || r.Counts.Matched != n || r.Places[0].PlainHMAC != r.Places[0].SealedHMAC ||
			r.Places[0].PlainHMAC == "" || len(r.Stored) != 1 || len(r.Stored[0].SHA256) != 64 {
			t.Fatalf("%s: %+v", against, r)
		}
	}
	plainLines := bytes.SplitAfter(plain, []byte("\n"))[:n]
	sealed := bytes.SplitAfter(readFile(t, "s.ndjson"), []byte("\n"))[:n]
	extra := bytes.Replace(sealed[9], []byte(`"headers":[["h","9"]`), []byte(`"headers":[["h","9"],["x","y"]`), 1)
	change := func(old, with string) func() ([][]byte, [][]byte) {
		return func() ([][]byte, [][]byte) {
			p := slices.Clone(plainLines)
			p[7] = bytes.Replace(p[7], []byte(old), []byte(with), 1)
			if bytes.Equal(p[7], plainLines[7]) {
				t.Fatalf("%q is not in %s", old, p[7])
			}
			return p, sealed
		}
	}
	for name, test := range map[string]struct {
		sides func() (plain, sealed [][]byte)
		want  map[string]int64
	}{
		"alike":  {func() ([][]byte, [][]byte) { return plainLines, sealed }, nil},
		"value":  {change(`"value":"7"`, `"value":"8"`), map[string]int64{"different": 1}},
		"key":    {change(`"key":"k1"`, `"key":"k2"`), map[string]int64{"different": 1}},
		"header": {change(`["h","7"]`, `["h","8"]`), map[string]int64{"different": 1}},
		"time":   {change(`03:04:05Z`, `03:04:06Z`), map[string]int64{"different": 1}},
		"null":   {change(`"value":"7"`, `"value":null`), map[string]int64{"different": 1}},
		"cut": {func() ([][]byte, [][]byte) { return plainLines, sealed[:n-2] },
			map[string]int64{"missing": 2}},
		"more": {func() ([][]byte, [][]byte) { return plainLines[:n-2], sealed },
			map[string]int64{"extra": 2}},
		"twice": {func() ([][]byte, [][]byte) { return plainLines, append(slices.Clone(sealed), sealed[3]) },
			map[string]int64{"duplicates": 1}},
		"headers that were not sealed": {func() ([][]byte, [][]byte) {
			return plainLines, slices.Concat(sealed[:9], [][]byte{extra}, sealed[10:])
		}, map[string]int64{"extra headers": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := test.sides()
			writeFile(t, "p2.ndjson", bytes.Join(p, nil))
			writeFile(t, "s2.ndjson", bytes.Join(s, nil))
			r := compare(t, Config{From: "file:p2.ndjson"}, CompareOptions{Against: "file:s2.ndjson", Passes: 3})
			mustFind(t, r, test.want)
		})
	}
}

// TestCompareBindings: parts that the envelopes are not bound to do not count,
// and by named headers only those do.
func TestCompareBindings(t *testing.T) {
	testDir(t)
	const n = 5
	writeFile(t, "in.ndjson", richLines(0, n))
	writeFile(t, "other.ndjson", bytes.ReplaceAll(richLines(0, n), []byte(`["h"`), []byte(`["x","y"],["h"`)))
	for bind, want := range map[string]map[string]int64{
		"none": nil, "header:h": nil, "header:x": {"different": n}, "all": {"different": n},
	} {
		c := Config{From: "file:in.ndjson", To: "file:s.ndjson", Bind: []string{bind}, Overwrite: true}
		mustRun(t, Encrypt, c)
		c.From, c.To, c.Overwrite = "file:other.ndjson", "", false
		mustFind(t, compare(t, c, CompareOptions{Against: "file:s.ndjson"}), want)
	}
}

// TestCompareRefuses: sides that cannot be compared are refused by name, before
// anything is read.
func TestCompareRefuses(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", richLines(0, 3))
	writeFile(t, "raw", []byte("payload"))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"})
	for _, test := range []struct{ from, against, want string }{
		{"file:s.scx", "file:s.scx", "an archive holds envelopes"},
		{"file:in.ndjson", "file:in.ndjson", "both sides are"},
		{"file:raw", "file:s.scx", "raw files"},
		{"file:*.ndjson", "file:s.scx", "several files"},
		{"file:in.ndjson", "file:no.scx", "no such file"},
		{"file:no.ndjson", "file:s.scx", "no such file"},
		{"file:in.ndjson", "", "against"},
	} {
		_, err := Compare(t.Context(), Config{From: test.from, Keys: []string{"local:k.jwk"}},
			CompareOptions{Against: test.against}, Env{Log: quiet})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %s: got %v", test.from, test.against, err)
		}
	}
}

// TestComparePipeOnce: a pipe can be read once, so several passes over it would
// prove nothing.
func TestComparePipeOnce(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", richLines(0, 3))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"})
	for _, sides := range [][2]string{{"file:-?format=ndjson", "file:s.scx"}, {"file:in.ndjson", "file:-?format=seq"}} {
		_, err := Compare(t.Context(), Config{From: sides[0], Keys: []string{"local:k.jwk"}},
			CompareOptions{Against: sides[1], Passes: 2}, Env{Log: quiet})
		if err == nil || !strings.Contains(err.Error(), "can be read once") {
			t.Errorf("%v: got %v", sides, err)
		}
	}
}

// TestCompareShrinks: a plain side that becomes shorter between two passes is an
// error, and not plaintext that is gone.
func TestCompareShrinks(t *testing.T) {
	testDir(t)
	const n = 3000 // several blocks of offsets, some of them of the second pass
	plain := richLines(0, n)
	writeFile(t, "in.ndjson", plain)
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"})
	for name, shorter := range map[string][]byte{"cut": richLines(0, n/2), "empty": nil, "as it was": plain} {
		writeFile(t, "in.ndjson", plain)
		comparison, err := Compare(t.Context(), Config{From: "file:in.ndjson", Keys: []string{"local:k.jwk"}},
			CompareOptions{Against: "file:s.scx", Passes: 2}, Env{Log: quiet})
		must(t, err)
		j := comparison.compared
		must(t, j.runPass(t.Context()))
		if !j.comparer.FinishPass() {
			t.Fatal("there is one pass")
		}
		writeFile(t, "in.ndjson", shorter)
		must(t, j.endPass())
		must(t, j.beginPass(t.Context()))
		switch err := j.runPass(t.Context()); {
		case name == "as it was":
			must(t, err)
		case err == nil || !strings.Contains(err.Error(), "it has changed"):
			t.Errorf("%s: %v", name, err)
		}
		must(t, comparison.Close())
	}
}

// TestCompareStreamOfLastValues: a stream that keeps so many messages of a
// subject is not compacted by record keys, which messages of NATS do not have.
func TestCompareStreamOfLastValues(t *testing.T) {
	testDir(t)
	n := startBroker(t)
	n.stream(t, "PLAIN", "p.*")
	_, err := n.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "ENC", Subjects: []string{"e.>"}, MaxMsgsPerSubject: 1000,
	})
	must(t, err)
	for i := range 50 {
		m := natsgo.NewMsg("p.a")
		m.Data = fmt.Appendf(nil, "%d", i)
		n.publish(t, m)
	}
	n.published(t)
	mustRun(t, Encrypt, Config{From: n.url + "/PLAIN?until=latest", To: n.url + "/ENC?subject=e.>"})
	s, err := n.js.Stream(t.Context(), "ENC")
	must(t, err)
	must(t, s.DeleteMsg(t.Context(), 7))
	r := compare(t, Config{From: n.url + "/PLAIN"}, CompareOptions{Against: n.url + "/ENC"})
	mustFind(t, r, map[string]int64{"missing": 1})
}

// TestCompareTopics: topics are compared partition by partition, and also where
// the destination has other partitions. Changes of random records are named
// exactly.
func TestCompareTopics(t *testing.T) {
	const n, parts = 4000, 4
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", parts, nil)
	b.put(t, mixed("plain", n, parts)...)
	from := b.url + "/plain"
	for to, sink := range map[string]string{"same": "?create=true", "one": "?partition=key"} {
		if to == "one" {
			b.topic(t, to, 3, map[string]string{"max.message.bytes": "2000000"})
		}
		mustRun(t, Encrypt, Config{From: from + "?group=" + to + "&until=latest", To: b.url + "/" + to + sink})
		for _, passes := range []int{1, 3} {
			r := compare(t, Config{From: from}, CompareOptions{Against: b.url + "/" + to, Passes: passes})
			mustFind(t, r, nil)
			if r.Counts.Matched != n || len(r.Places) != parts || r.Places[0].Place != "plain/0" {
				t.Errorf("%+v", r)
			}
		}
	}
	sealed := b.read(t, "same")
	for seed := range uint64(8) {
		topic := fmt.Sprint("changed", seed)
		b.topic(t, topic, parts, nil)
		records, want := changeRecords(rand.New(rand.NewPCG(seed, 1)), sealed)
		for _, r := range records {
			r.Topic = topic
		}
		b.put(t, records...)
		r := compare(t, Config{From: from, Context: "same"}, CompareOptions{Against: b.url + "/" + topic, Passes: 1 + int(seed%3)})
		mustFind(t, r, want)
	}
	// Another source: its records are not those of this topic.
	b.topic(t, "stranger", parts, nil)
	b.put(t, mixed("stranger", 100, parts)...)
	r := compare(t, Config{From: b.url + "/stranger"}, CompareOptions{Against: b.url + "/same"})
	mustFind(t, r, map[string]int64{"missing": 100, "extra": n})
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "another source") {
		t.Errorf("%q", r.Notes)
	}
}

// changeRecords returns copies of records with random changes, each of another
// record, and the findings that they make.
func changeRecords(rnd *rand.Rand, sealed [][]*kgo.Record) (all []*kgo.Record, want map[string]int64) {
	want = map[string]int64{}
	for _, partition := range sealed {
		var copies []*kgo.Record
		for i := 0; i < len(partition); i++ {
			r := *partition[i]
			mutate := i > 0 && i%40 == 0 && i+1 < len(partition)
			kind := rnd.IntN(5)
			if !mutate || r.Value == nil && kind >= 3 {
				copies = append(copies, &r)
				continue
			}
			switch kind {
			case 0:
				want["missing"]++
			case 1:
				again := r
				copies = append(copies, &r, &again)
				want["duplicates"]++
			case 2:
				next := *partition[i+1]
				copies = append(copies, &next, &r)
				want["reordered"]++
				i++
			case 3: // the last byte is of the tag, or of the recipients
				r.Value = slices.Clone(r.Value)
				r.Value[len(r.Value)-1] ^= 1
				copies = append(copies, &r)
				want["undecryptable"]++
			case 4:
				r.Value = []byte("no envelope")
				copies = append(copies, &r)
				want["undecryptable"]++
				want["missing"]++
			}
		}
		all = append(all, copies...)
	}
	return all, want
}

// TestComparePurged: records that retention has deleted cannot be verified, and
// that is no difference.
func TestComparePurged(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, numbered("plain", 100, 1)...)
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true"})
	must(t, b.DeleteRecords("plain", 0, 30))
	r := compare(t, Config{From: b.url + "/plain"}, CompareOptions{Against: b.url + "/sealed"})
	mustFind(t, r, map[string]int64{"unverifiable": 30})
	must(t, b.DeleteRecords("plain", 0, 100))
	r = compare(t, Config{From: b.url + "/plain"}, CompareOptions{Against: b.url + "/sealed"})
	mustFind(t, r, map[string]int64{"unverifiable": 100})
	if r.Identical {
		t.Error("nothing was compared")
	}
}

// TestCompareDeletedWhileRead: retention goes on while a topic is compared. The
// records that it takes before they are read cannot be verified either, and
// that is no difference.
func TestCompareDeletedWhileRead(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	rnd := rand.NewChaCha8([32]byte{1})
	for i := range 40 { // a batch each, that does not shrink
		value := make([]byte, 200<<10)
		_, _ = rnd.Read(value)
		b.put(t, &kgo.Record{Topic: "plain", Key: fmt.Append(nil, i), Value: value})
	}
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true"})
	id := b.TopicInfo("plain").TopicID
	b.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Fetch}, Topic: "plain", Err: kerr.NotLeaderForPartition, Count: 1,
		When: func(req kmsg.Request) bool {
			f, ok := req.(*kmsg.FetchRequest)
			if !ok || !slices.ContainsFunc(f.Topics, func(topic kmsg.FetchRequestTopic) bool {
				return (topic.TopicID == id || topic.Topic == "plain") && len(topic.Partitions) > 0 && topic.Partitions[0].FetchOffset > 0
			}) {
				return false // nothing was read yet
			}
			go func() { _ = b.DeleteRecords("plain", 0, 30) }()
			return true
		},
	})
	r := compare(t, Config{From: b.url + "/plain", ReadAhead: 1 << 20}, CompareOptions{Against: b.url + "/sealed"})
	if n := r.Counts.Unverifiable; n < 10 || n > 29 {
		t.Errorf("%d are unverifiable", n)
	}
	mustFind(t, r, map[string]int64{"unverifiable": r.Counts.Unverifiable})
}

// TestCompareCompacted: on a compacted destination a record is superseded by a
// later one of its key, and the last one of a key is not.
func TestCompareCompacted(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, numbered("plain", 20, 1)...) // of the keys k0 to k3
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true"})
	sealed := b.read(t, "sealed")[0]
	for topic, kept := range map[string][]*kgo.Record{"right": sealed[14:], "wrong": sealed[:19]} {
		b.topic(t, topic, 1, map[string]string{"cleanup.policy": "compact"})
		for _, r := range kept {
			copied := *r
			copied.Topic = topic
			b.put(t, &copied)
		}
	}
	for _, passes := range []int{1, 2} {
		o := CompareOptions{Against: b.url + "/right", Passes: passes}
		mustFind(t, compare(t, Config{From: b.url + "/plain", Context: "sealed"}, o), map[string]int64{"superseded": 14})
		o.Against = b.url + "/wrong"
		mustFind(t, compare(t, Config{From: b.url + "/plain", Context: "sealed"}, o), map[string]int64{"missing": 1})
	}
}

// TestCompareStreams: streams are compared, and topics with streams.
func TestCompareStreams(t *testing.T) {
	testDir(t)
	n, b := startBroker(t), startKafka(t)
	n.stream(t, "PLAIN", "p.*")
	n.stream(t, "ENC", "e.>")
	n.stream(t, "K", "k.>")
	for i := range 200 {
		m := natsgo.NewMsg(fmt.Sprint("p.", i%3))
		m.Data = fmt.Appendf(nil, "%d", i)
		m.Header.Set("B", fmt.Sprint(i))
		m.Header.Set("A", "x")
		n.publish(t, m)
	}
	n.published(t)
	mustRun(t, Encrypt, Config{From: n.url + "/PLAIN?until=latest", To: n.url + "/ENC?subject=e.>"})
	for _, passes := range []int{1, 2} {
		r := compare(t, Config{From: n.url + "/PLAIN"}, CompareOptions{Against: n.url + "/ENC", Passes: passes})
		mustFind(t, r, nil)
		if r.Counts.Matched != 200 {
			t.Errorf("%+v", r)
		}
	}
	b.topic(t, "plain", 2, nil)
	b.put(t, numbered("plain", 50, 2)...)
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: n.url + "/K?subject=k.all"})
	r := compare(t, Config{From: b.url + "/plain"}, CompareOptions{Against: n.url + "/K"})
	mustFind(t, r, nil)
	if r.Counts.Matched != 100 {
		t.Errorf("%+v", r)
	}
	s, err := n.js.Stream(t.Context(), "ENC")
	must(t, err)
	must(t, s.DeleteMsg(t.Context(), 7))
	s, err = n.js.Stream(t.Context(), "PLAIN")
	must(t, err)
	must(t, s.DeleteMsg(t.Context(), 9))
	r = compare(t, Config{From: n.url + "/PLAIN"}, CompareOptions{Against: n.url + "/ENC"})
	mustFind(t, r, map[string]int64{"missing": 1, "extra": 1})
}
