package route

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sealTopics seals three topics of n records, under data keys that a key
// service binds to the name of each sealed topic.
func sealTopics(t *testing.T, n, parts int, context string) (b *kafkaBroker, key, topics []string) {
	t.Helper()
	rewrapDir(t)
	_, key = startStandIn(t)
	b = startKafka(t)
	topics = []string{"in.a", "in.b", "in.c"}
	for _, topic := range topics {
		b.topic(t, topic, int32(parts), nil)
		b.put(t, mixed(topic, n, parts)...)
	}
	mustRun(t, Encrypt, Config{
		From: b.url + "/in.a,in.b,in.c?group=enc&until=latest", To: b.url + "/{topic}.sealed?create=true",
		Keys: key, Context: context, Workers: 3,
	})
	return b, key, topics
}

// Several topics are rewrapped by one route: each envelope keeps the context of
// its topic, in which alone the key service unwraps its data key.
func TestRewrapSeveralTopics(t *testing.T) {
	const n, parts = 300, 3
	for name, tc := range map[string]struct{ from, to, context, readers string }{
		"list":     {"in.a.sealed,in.b.sealed,in.c.sealed", "{topic}.moved", "", "{topic-.moved}"},
		"pattern":  {`~in\..*\.sealed`, "{topic-.sealed}.moved", "", "{topic-.moved}.sealed"},
		"contexts": {`~in\..*\.sealed`, "{topic-.sealed}.moved", "shop/{topic-.sealed}", "shop/{topic-.moved}"},
		"prefix":   {`~in\..*\.sealed`, "moved.{topic}", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, key, topics := sealTopics(t, n, parts, tc.context)
			r, err := Rewrap(t.Context(), Config{
				From: b.url + "/" + tc.from + "?group=rewrap&until=latest", To: b.url + "/" + tc.to + "?create=true",
				OldKeys: key, Keys: []string{"local:new.jwk"}, Context: tc.context, Workers: 3,
			}, Env{Log: quiet})
			must(t, err)
			must(t, r.Run(t.Context()))
			readers, needed := r.ReadersContext()
			s := r.Snapshot()
			must(t, r.Close())
			if s.Rewrapped != 3*n || s.Messages != 3*n || s.DataKeys < 3 || s.Rejected+s.Parked+s.Already > 0 {
				t.Errorf("%+v", s)
			}
			if readers != tc.readers || needed != (tc.readers != "") {
				t.Errorf("readers are told %q", readers)
			}
			if !needed {
				one := with("new.jwk", Config{From: b.url + "/moved.in.b.sealed", Context: "in.b.sealed"})
				if s := mustRun(t, Verify, one); s.Messages != n {
					t.Errorf("%+v", s)
				}
				return
			}
			opened := with("new.jwk", Config{
				From: b.url + `/~in\..*\.moved?group=dec&until=latest`, To: b.url + "/out.{topic-.moved}?create=true",
				Context: readers, Workers: 3,
			})
			if s := mustRun(t, Decrypt, opened); s.Messages != 3*n || s.Rejected+s.Parked+s.Gaps+s.Foreign > 0 {
				t.Errorf("opening: %+v", s)
			}
			for _, topic := range topics {
				out := "out." + topic
				if name == "list" {
					out += ".sealed"
				}
				sameRecords(t, b.read(t, out), b.read(t, topic))
			}
		})
	}
}

// An envelope that was moved to another topic is not rewrapped: its data key
// is not one of that topic.
func TestRewrapSeveralMoved(t *testing.T) {
	const n, parts = 30, 1
	b, key, _ := sealTopics(t, n, parts, "")
	moved := b.read(t, "in.a.sealed")[0][0]
	b.put(t, &kgo.Record{Topic: "in.b.sealed", Key: moved.Key, Value: moved.Value, Headers: moved.Headers, Timestamp: moved.Timestamp})
	s := mustRun(t, Rewrap, Config{
		From: b.url + `/~in\..*\.sealed?group=rewrap&until=latest`, To: b.url + "/{topic}.moved?create=true",
		OldKeys: key, Keys: []string{"local:new.jwk"}, DeadLetter: b.url + "/dead?create=true",
	})
	if s.Rewrapped != 3*n || s.Rejected != 1 {
		t.Errorf("%+v", s)
	}
}

// The keys of several topics are checked by one run, each topic in its own
// context, whether messages are sampled or read one after the other.
func TestCheckSeveralTopics(t *testing.T) {
	const n, parts = 60, 3
	b, key, _ := sealTopics(t, n, parts, "")
	moved := b.read(t, "in.a.sealed")[0][0]
	for _, sample := range []int{0, 100} {
		for _, from := range []string{"in.a.sealed,in.b.sealed,in.c.sealed", `~in\..*\.sealed`} {
			r := mustCheck(t, Config{From: b.url + "/" + from, Keys: key}, CheckOptions{Sample: sample})
			if r.Envelopes != 3*n || r.Readable != 3*n || len(r.Places) != 3*parts || r.KEKs[0].DataKeys < 3 {
				t.Errorf("sample %d of %s: %+v", sample, from, r)
			}
		}
	}
	b.put(t, &kgo.Record{Topic: "in.b.sealed", Key: moved.Key, Value: moved.Value, Headers: moved.Headers, Timestamp: moved.Timestamp})
	for _, sample := range []int{0, 100} {
		r := mustCheck(t, Config{From: b.url + `/~in\..*\.sealed`, Keys: key}, CheckOptions{Sample: sample})
		if r.Envelopes != 3*n+1 || r.Readable != 3*n {
			t.Errorf("sample %d: an envelope of another topic counts as readable: %+v", sample, r)
		}
	}
	one := Config{From: b.url + "/in.a.sealed,in.b.sealed", Keys: key, Context: "one"}
	if _, err := check(t, one, CheckOptions{}, Env{}); err == nil || !strings.Contains(err.Error(), "one for several topics") {
		t.Errorf("one context for several topics: %v", err)
	}
}

// Likewise for several streams.
func TestCheckSeveralStreams(t *testing.T) {
	testDir(t)
	_, key := startStandIn(t)
	b := startBroker(t)
	const n = 20
	fillStreams(t, b, n)
	mustRun(t, Encrypt, Config{From: b.url + "/ORDERS,BILLS?until=latest", To: b.url + sealedTemplate, Keys: key})
	for _, sample := range []int{0, 10} {
		r := mustCheck(t, Config{From: b.url + "/ORDERS_SEALED,BILLS_SEALED", Keys: key}, CheckOptions{Sample: sample})
		if r.Envelopes == 0 || r.Readable != r.Envelopes || len(r.Places) != 2 || sample == 0 && r.Envelopes != 2*n {
			t.Errorf("sample %d: %+v", sample, r)
		}
	}
}
