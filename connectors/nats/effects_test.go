package nats

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

func describeHeaders(headers []pipeline.Header) string {
	var all []string
	for _, h := range headers {
		all = append(all, h.Name+"="+string(h.Value))
	}
	return strings.Join(all, " ")
}

func TestReadEffects(t *testing.T) {
	t.Parallel()
	ago := time.Now().Add(-10 * time.Second)
	for _, test := range []struct {
		name    string
		headers natsgo.Header
		data    string
		sealed  bool
		want    string
		null    bool
	}{
		{name: "put", headers: natsgo.Header{"A": {"1"}}, data: "v", want: "A=1"},
		{name: "id", headers: natsgo.Header{"Nats-Msg-Id": {"x"}, "A": {"1"}, "T": {"2"}}, data: "v", want: "A=1 Streamcrypt-Msg-Id=x T=2"},
		{name: "purge", headers: natsgo.Header{"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}}, want: "KV-Operation=PURGE Streamcrypt-Rollup=sub", null: true},
		{name: "delete", headers: natsgo.Header{"KV-Operation": {"DEL"}}, want: "KV-Operation=DEL", null: true},
		{name: "seconds", headers: natsgo.Header{"Nats-TTL": {"60"}}, data: "v", want: "Streamcrypt-TTL=50s"},
		{name: "duration", headers: natsgo.Header{"Nats-TTL": {"1h"}}, data: "v", want: "Streamcrypt-TTL=3590s"},
		{name: "nearly over", headers: natsgo.Header{"Nats-TTL": {"5s"}}, data: "v", want: "Streamcrypt-TTL=1s"},
		{name: "never", headers: natsgo.Header{"Nats-TTL": {"never"}}, data: "v", want: "Streamcrypt-TTL=never"},
		{name: "expired", headers: natsgo.Header{"Nats-Marker-Reason": {"MaxAge"}, "Nats-TTL": {"1m"}}, want: "KV-Operation=PURGE Streamcrypt-Rollup=sub Streamcrypt-TTL=50s", null: true},
		{name: "removed", headers: natsgo.Header{"Nats-Marker-Reason": {"Remove"}}, want: "KV-Operation=DEL Streamcrypt-Rollup=sub", null: true},
		{name: "sealed", headers: natsgo.Header{"Nats-Msg-Id": {"x"}, "Nats-Rollup": {"sub"}, "Nats-TTL": {"60"}, "Streamcrypt-TTL": {"60s"}, "streamcrypt": {"e"}}, sealed: true,
			want: "Streamcrypt-TTL=60s streamcrypt=e", null: true},
		{name: "marker of the sealed stream", headers: natsgo.Header{"Nats-Marker-Reason": {"MaxAge"}}, sealed: true, want: "KV-Operation=PURGE Streamcrypt-Rollup=sub", null: true},
		{name: "a user's own", headers: natsgo.Header{"Streamcrypt-Rollup": {"all"}}, data: "v", want: "streamcrypt-rollup=all"},
	} {
		b := &batch{sealed: test.sealed}
		b.addMessage(pipeline.Origin{}, ago, &natsgo.Msg{Subject: "s", Header: test.headers, Data: []byte(test.data)})
		m := &b.Messages[0]
		if got := describeHeaders(m.Headers); got != test.want || (m.Value == nil) != test.null {
			t.Errorf("%s: %q, value %v", test.name, got, m.Value)
		}
	}
	b := &batch{dropTTL: true}
	b.addMessage(pipeline.Origin{}, ago, &natsgo.Msg{Header: natsgo.Header{"Nats-TTL": {"60"}}})
	if len(b.Messages[0].Headers) > 0 {
		t.Errorf("a TTL that was to be dropped: %q", describeHeaders(b.Messages[0].Headers))
	}
}

// bucketOf returns all keys of a bucket with their present values.
func (b *broker) bucketOf(bucket string) map[string]string {
	b.t.Helper()
	kv, err := b.plain().KeyValue(b.t.Context(), bucket)
	if err != nil {
		b.t.Fatal(err)
	}
	all := map[string]string{}
	keys, err := kv.ListKeys(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for key := range keys.Keys() {
		entry, err := kv.Get(b.t.Context(), key)
		if err != nil {
			b.t.Fatal(err)
		}
		all[key] = string(entry.Value())
	}
	return all
}

// TestBucketThroughBucket copies a bucket through another one that stands for
// the sealed one: puts, deletes, purges, TTLs and the ids of producers.
func TestBucketThroughBucket(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	var stores []jetstream.KeyValue
	for _, name := range []string{"src", "enc", "dec"} {
		kv, err := b.plain().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: name, History: 5, LimitMarkerTTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, kv)
	}
	src := stores[0]
	put := func(key, value string) {
		t.Helper()
		if _, err := src.PutString(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	put("kept", "1")
	put("kept", "2")
	put("gone", "x")
	put("secret", "s3cret-1")
	put("secret", "s3cret-2")
	put("empty", "")
	if err := src.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if err := src.Purge(t.Context(), "secret", jetstream.PurgeTTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	published := time.Now()
	if _, err := src.Create(t.Context(), "short", []byte("v"), jetstream.KeyTTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	c := b.connect()
	hop := func(from, to string, sealed, plain bool) {
		t.Helper()
		subjects, err := ParseSubjectMap("$KV."+to+".>", "$KV."+from)
		if err != nil {
			t.Fatal(err)
		}
		err = pipeline.Run(t.Context(), pipeline.Options{
			Source:       b.source(c, SourceOptions{Stream: "KV_" + from, Consumer: "c", UntilEnd: true, Sealed: sealed}),
			Sink:         b.sink(c, SinkOptions{Stream: "KV_" + to, Subjects: subjects, Plain: plain}),
			NewTransform: func() pipeline.Transform { return copier{subjects} },
			Log:          quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hop("src", "enc", false, false)
	hop("enc", "dec", true, true)
	want := map[string]string{"kept": "2", "empty": "", "short": "v"}
	if got := b.bucketOf("dec"); !maps.Equal(got, want) {
		t.Errorf("the copy has %v", got)
	}
	for _, bucket := range []string{"enc", "dec"} {
		for _, m := range b.stored("KV_" + bucket) {
			if strings.Contains(string(m.Data), "s3cret") {
				t.Errorf("%s still has a secret that was purged", bucket)
			}
			ttl := m.Header.Get("Nats-TTL")
			// What is left of an hour depends on how long this test takes.
			left, _ := time.ParseDuration(ttl)
			if strings.HasSuffix(m.Subject, "short") && (left > time.Hour || left < time.Hour-time.Since(published)) {
				t.Errorf("%s: TTL %q", m.Subject, ttl)
			}
		}
	}
	entries, err := stores[2].History(t.Context(), "gone")
	if err != nil {
		t.Fatal(err)
	}
	var history []string
	for _, e := range entries {
		history = append(history, fmt.Sprint(e.Operation(), " ", string(e.Value())))
	}
	if !slices.Equal(history, []string{"KeyValuePutOp x", "KeyValueDeleteOp "}) {
		t.Errorf("history %q", history)
	}
	for _, m := range b.stored("KV_dec") {
		for name := range m.Header {
			if strings.HasPrefix(name, "Streamcrypt-") {
				t.Errorf("%s: header %s is left over", m.Subject, name)
			}
		}
	}
}

// TestProducerID: the id of a producer is given back, and two messages that
// have one id, in two windows of the source, are both stored.
func TestProducerID(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("OUT", nil)
	s := b.sink(b.connect(), SinkOptions{Stream: "OUT", Plain: true})
	with := func(offset int64, value string) pipeline.Message {
		m := message(offset, "out", []byte(value))
		m.Headers = []pipeline.Header{{Name: "Streamcrypt-Msg-Id", Value: []byte("order-1")}}
		return m
	}
	for range 2 {
		if err := b.writer(s).Write(t.Context(), []pipeline.Message{with(1, "first"), with(2, "second")}, nil); err != nil {
			t.Fatal(err)
		}
	}
	got := b.stored("OUT")
	if len(got) != 2 || string(got[0].Data) != "first" || string(got[1].Data) != "second" ||
		got[0].Header.Get("Nats-Msg-Id") != "order-1" {
		t.Fatalf("%d messages", len(got))
	}
}
