package route

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// forget deletes the group with its offsets, as brokers do when it has been
// empty for a week.
func (b *kafkaBroker) forget(t *testing.T, group string) {
	t.Helper()
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{group}
	res, err := req.RequestWith(t.Context(), b.client(t))
	must(t, err)
	if code := res.Groups[0].ErrorCode; code != 0 {
		t.Fatalf("the group is not deleted: %d", code)
	}
}

// numbersOf returns how many records of committed transactions each partition
// has.
func (b *kafkaBroker) numbersOf(t *testing.T, topic string) (all []int) {
	t.Helper()
	for _, records := range b.read(t, topic) {
		all = append(all, len(records))
	}
	return all
}

// A group of which the broker has forgotten the offsets looks like a new one.
// The destination tells them apart.
func TestGroupThatWasForgotten(t *testing.T) {
	for _, several := range []bool{false, true} {
		testDir(t)
		b := startKafka(t)
		b.topic(t, "plain", 3, nil)
		b.put(t, mixed("plain", 30, 2)...) // partition 2 is empty
		from, to := "/plain", "/sealed?create=true"
		if several {
			from, to = "/~pl.*n", "/{topic}.x?create=true"
		}
		sealed := map[bool]string{false: "sealed", true: "plain.x"}[several]
		run := func(more string) Config {
			return Config{From: b.url + from + "?group=enc&until=latest" + more, To: b.url + to}
		}
		mustRun(t, Encrypt, run(""))
		first := b.numbersOf(t, sealed)
		b.forget(t, "enc")
		fails(t, Encrypt, run(""), "the destination holds messages of the source already: plain/0@")
		c := run("")
		c.Keys = []string{"local:k.jwk"}
		plan, err := MakePreview(t.Context(), "encrypt", c, Env{})
		must(t, err)
		if plan.IsUsable() || !strings.Contains(plan.Ends[1].Problems[0].Error(), "holds messages of the source already") {
			t.Errorf("several topics %v: the plan says nothing of it", several)
		}
		member := run("")
		member.From = strings.Replace(member.From, "&until=latest", "", 1)
		fails(t, Encrypt, member, "the destination holds messages of the source already")
		repeating := run("") // which may repeat a few, and not all
		repeating.To += "&delivery=at-least-once"
		fails(t, Encrypt, repeating, "the destination holds messages of the source already")

		if s := mustRun(t, Encrypt, run("&start=sealed")); s.Messages != 0 {
			t.Errorf("several topics %v: %d messages are sealed again", several, s.Messages)
		}
		b.put(t, mixed("plain", 12, 3)...)
		b.forget(t, "enc")
		if s := mustRun(t, Encrypt, run("&start=sealed")); s.Messages != 12 {
			t.Errorf("several topics %v: %d of 12 new messages are sealed", several, s.Messages)
		}
		if s := mustRun(t, Encrypt, run("")); s.Messages != 0 { // the group has offsets again
			t.Errorf("several topics %v: %d messages are sealed again", several, s.Messages)
		}
		b.forget(t, "enc")
		if s := mustRun(t, Encrypt, run("&start=earliest")); s.Messages != 42 {
			t.Errorf("several topics %v: %d of 42 messages are sealed again", several, s.Messages)
		}
		if got := b.numbersOf(t, sealed); slices.Equal(got, first) {
			t.Errorf("several topics %v: %v", several, got)
		}
	}
}

// A run with an end that keeps no positions begins anew each time. It is
// refused where that would store messages twice, whichever work it does.
func TestRunWithoutPositions(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	b.put(t, mixed("plain", 20, 2)...)
	const refused = "to: the destination is not empty"
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true"})
	b.topic(t, "other", 2, nil)
	b.put(t, mixed("other", 2, 2)...)
	fails(t, Encrypt, Config{From: b.url + "/other?until=latest&start=earliest", To: b.url + "/sealed"}, refused)

	open := Config{From: b.url + "/sealed?until=latest", To: b.url + "/opened?create=true"}
	if s := mustRun(t, Decrypt, open); s.Messages != 20 {
		t.Errorf("%d messages", s.Messages)
	}
	fails(t, Decrypt, open, refused)
	again := open
	again.To += "&delivery=at-least-once"
	if s := mustRun(t, Decrypt, again); s.Messages != 20 {
		t.Errorf("%d messages", s.Messages)
	}
	with := open
	with.From += "&group=dec"
	if s := mustRun(t, Decrypt, with); s.Messages != 20 {
		t.Errorf("with a group: %d messages", s.Messages)
	}
	if s := mustRun(t, Decrypt, with); s.Messages != 0 {
		t.Errorf("with a group, again: %d messages", s.Messages)
	}
	if n := b.numbersOf(t, "opened"); n[0]+n[1] != 60 {
		t.Errorf("%v", n)
	}
	several := Config{From: b.url + "/~(plain|other)?until=latest", To: b.url + "/{topic}.x?create=true"}
	mustRun(t, Encrypt, several)
	fails(t, Encrypt, several, "the destination holds messages of the source already")
	reopened := Config{From: b.url + "/~.*\\.x?until=latest", To: b.url + "/{topic-.x}.y?create=true"}
	mustRun(t, Decrypt, reopened)
	fails(t, Decrypt, reopened, refused)
}

// The plan of a run that begins with start=sealed looks at the destination as
// the run does.
func TestPlanOfStartSealed(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, mixed("plain", 4, 1)...)
	c := Config{
		From: b.url + "/plain?until=latest&start=sealed&group=enc", To: b.url + "/sealed?create=true",
		Keys: []string{"local:k.jwk"},
	}
	mustRun(t, Encrypt, c)
	b.forget(t, "enc")
	plan, err := MakePreview(t.Context(), "encrypt", c, Env{Log: quiet})
	must(t, err)
	want := findings.Fact{Name: "offsets", Value: "4, less those that earlier runs have committed or the destination holds"}
	if !plan.IsUsable() || !slices.Contains(plan.Ends[0].Facts, want) {
		t.Errorf("the plan: %+v", plan.Ends)
	}
}

// Other messages in the destination are not the source's: those of another
// topic, and those that are no envelopes.
func TestStartBesideOthers(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.topic(t, "other", 1, nil)
	b.put(t, mixed("plain", 10, 1)...)
	b.put(t, mixed("other", 40, 1)...)
	seal := func(topic, more string) Config {
		return Config{From: b.url + "/" + topic + "?until=latest&group=" + topic + more, To: b.url + "/sealed?create=true"}
	}
	mustRun(t, Encrypt, seal("plain", ""))
	mustRun(t, Encrypt, seal("other", ""))
	b.put(t, &kgo.Record{Topic: "sealed", Value: []byte("no envelope")}, &kgo.Record{Topic: "sealed"})
	b.forget(t, "plain")
	b.put(t, mixed("plain", 5, 1)...)
	if s := mustRun(t, Encrypt, seal("plain", "&start=sealed")); s.Messages != 5 {
		t.Errorf("%d of 5 new messages are sealed", s.Messages)
	}
}

// A transaction of somebody else that is open in the destination hides the
// messages behind it. They are not sealed again: the run waits for its end.
func TestStartBehindATransaction(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	run := Config{From: b.url + "/plain?until=latest&start=sealed&group=enc", To: b.url + "/sealed?create=true"}
	mustRun(t, Encrypt, run)
	c, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.TransactionalID("somebody"))
	must(t, err)
	defer c.Close()
	must(t, c.BeginTransaction())
	must(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "sealed", Value: []byte("no envelope")}).FirstErr())
	b.put(t, mixed("plain", 5, 1)...)
	if s := mustRun(t, Encrypt, run); s.Messages != 5 {
		t.Fatalf("%d of 5 messages are sealed", s.Messages)
	}
	b.forget(t, "enc")
	var looks atomic.Int64
	b.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if req.(*kmsg.ListOffsetsRequest).Topics[0].Topic == "sealed" && looks.Add(1) == 4 {
			// The end and the last stable offset, for the second time.
			b.SleepControl(func() {
				if err := c.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
					t.Error(err)
				}
			})
		}
		return nil, nil, false
	})
	if s := mustRun(t, Encrypt, run); s.Messages != 0 {
		t.Errorf("%d messages are sealed again", s.Messages)
	}
	if n := looks.Load(); n < 4 {
		t.Errorf("the run has asked %d times for the end, and has not waited", n)
	}
}

// A look at a destination that is full of others' messages ends.
func TestLookBack(t *testing.T) {
	dense := make([]int64, 1000)
	for i := range dense {
		dense[i] = int64(i)
	}
	for _, c := range []struct {
		name      string
		place     sparse
		limit     int
		want      error
		mostPeeks int
	}{
		{"limited", sparse{offsets: dense, end: 1000}, shortLook, errNotFound, shortLook},
		{"some steps", sparse{offsets: dense, end: 1000}, 100, errNotFound, 200},
		{"to the beginning", sparse{offsets: dense, end: 1000}, longLook, nil, 1010},
		{"few", sparse{offsets: []int64{1, 900}, end: 1 << 40}, longLook, nil, 50},
	} {
		h := held{find: findSealed(false), limit: c.limit}
		last, err := h.lookBack(t.Context(), &c.place, &envelope.Position{})
		if !errors.Is(err, c.want) || err == nil && last != -1 {
			t.Errorf("%s: %d, %v", c.name, last, err)
		}
		if c.place.peeks > c.mostPeeks {
			t.Errorf("%s: %d peeks", c.name, c.place.peeks)
		}
	}
}

// Without a group nobody remembers anything.
func TestStartWithoutAGroup(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	b.put(t, mixed("plain", 20, 2)...)
	seal := func(from, to string) Config {
		return Config{From: b.url + "/plain?until=latest" + from, To: b.url + "/sealed?create=true" + to}
	}
	mustRun(t, Encrypt, seal("", ""))
	fails(t, Encrypt, seal("", ""), "the destination holds messages of the source already")
	if s := mustRun(t, Encrypt, seal("&start=sealed", "")); s.Messages != 0 {
		t.Errorf("%d messages are sealed again", s.Messages)
	}
	fails(t, Encrypt, seal("&start=earliest", ""), "the destination is not empty")
	for _, accepted := range []Config{
		seal("&start=earliest", "&delivery=at-least-once"), seal("", "&delivery=at-least-once"),
	} {
		if s := mustRun(t, Encrypt, accepted); s.Messages != 20 {
			t.Errorf("%d of 20 messages are sealed again", s.Messages)
		}
	}
}

// start=sealed is refused where nobody can know where to begin.
func TestStartSealedIsRefused(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, mixed("plain", 4, 1)...)
	from := b.url + "/plain?until=latest&start=sealed"
	fails(t, Encrypt, Config{From: from, To: "file:a.scx"}, "does not show what it holds")
	fails(t, Encrypt, Config{From: from, To: b.url + "/x?create=true&partition=key"}, "go to several")
	fails(t, Decrypt, Config{From: from, To: b.url + "/x?create=true"}, "only a run that encrypts")
	mustRun(t, Encrypt, Config{From: from + "&group=enc", To: b.url + "/sealed?create=true"})
	// Nobody verifies what is there: one envelope is as good as all.
	sealed := b.read(t, "sealed")[0]
	b.topic(t, "again", 1, map[string]string{"max.message.bytes": "2000000"})
	third := kgo.Record{Topic: "again", Value: sealed[2].Value, Headers: sealed[2].Headers}
	b.put(t, &third)
	again := Config{From: from, To: b.url + "/again"}
	if s := mustRun(t, Encrypt, again); s.Messages != 1 {
		t.Errorf("%d messages are sealed, not 1", s.Messages)
	}
}

// An envelope whose offset the source has not reached is somebody's mistake, or
// worse. A run that believed it would leave out everything before that offset.
func TestStartBehindTheSource(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, mixed("plain", 4, 1)...)
	run := Config{From: b.url + "/plain?until=latest&start=sealed&group=enc", To: b.url + "/sealed?create=true"}
	mustRun(t, Encrypt, run)
	last := b.read(t, "sealed")[0][3]
	e := []byte(header(last, "streamcrypt"))
	topic := b.TopicInfo("plain").TopicID
	id, err := endpoint.EncodeIdentity("kafka", b.clusterID(t), topic[:])
	must(t, err)
	source := id.Short()
	e[bytes.Index(e, source[:])+12] = 1 // the highest byte of the offset (docs/envelope.md, section 3)
	b.put(t, &kgo.Record{Topic: "sealed", Headers: []kgo.RecordHeader{{Key: "streamcrypt", Value: e}}})
	b.forget(t, "enc")
	fails(t, Encrypt, run, "the destination claims to hold its messages up to offset")
}

// A member that delivers at least once writes before it commits. Its group has
// offsets from the first moment on, so that it may be killed in between.
func TestNewGroupHasOffsets(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	c := b.client(t)
	b.until(t, Encrypt, Config{From: b.url + "/plain?group=enc", To: b.url + "/sealed?create=true&delivery=at-least-once"},
		func(s Snapshot) bool { return s.Total == 0 && b.committed(t, c, "enc", "plain") == 0 })
}

// committed asks for the offset that a group has committed of partition 0.
func (b *kafkaBroker) committed(t *testing.T, c *kgo.Client, group, name string) int64 {
	t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	asked, topic := kmsg.NewOffsetFetchRequestGroup(), kmsg.NewOffsetFetchRequestGroupTopic()
	topic.Topic, topic.Partitions = name, []int32{0}
	asked.Group, asked.Topics = group, append(asked.Topics, topic)
	req.Groups = append(req.Groups, asked)
	res, err := req.RequestWith(t.Context(), c)
	must(t, err)
	if len(res.Groups) == 0 || len(res.Groups[0].Topics) == 0 {
		return -1
	}
	return res.Groups[0].Topics[0].Partitions[0].Offset
}
