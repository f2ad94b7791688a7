package route

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
)

// fillStreams makes ORDERS and BILLS, and publishes n messages to each.
func fillStreams(t *testing.T, b *broker, n int) {
	t.Helper()
	for _, name := range []string{"ORDERS", "BILLS"} {
		b.stream(t, name, strings.ToLower(name)+".>")
		for i := range n {
			b.publish(t, &natsgo.Msg{Subject: fmt.Sprintf("%s.%d", strings.ToLower(name), i%3), Data: fmt.Appendf(nil, "%s %d", name, i)})
		}
	}
	b.published(t)
}

const (
	sealedTemplate = "/{topic}_SEALED?subject={topic}_SEALED.>&create=true"
	copyTemplate   = "/{topic-_SEALED}_COPY?subject=copy.{topic-_SEALED}.>&strip={topic}&create=true"
)

// TestSeveralStreams: each stream of a list has its place, its context, its
// data key and its destination, and subjects are mapped there and back.
func TestSeveralStreams(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	const n = 40
	fillStreams(t, b, n)
	s := mustRun(t, Encrypt, Config{From: b.url + "/ORDERS,BILLS?until=latest", To: b.url + sealedTemplate})
	if s.Messages != 2*n || s.Total != 2*n {
		t.Errorf("sealed: %+v", s)
	}
	for _, name := range []string{"ORDERS", "BILLS"} {
		sealed := b.read(t, name+"_SEALED")
		if len(sealed) != n || sealed[1].subject != name+"_SEALED."+strings.ToLower(name)+".1" {
			t.Fatalf("%s: %d messages, the second one under %s", name, len(sealed), sealed[1].subject)
		}
		// The default context is the stream's own, so one stream opens by itself,
		// and not as the other one.
		from := Config{From: b.url + "/" + name + "_SEALED"}
		mustRun(t, Verify, from)
		from.Context, from.ContextSet = "OTHER_SEALED", true
		fails(t, Verify, from, "tampered")
	}
	mustRun(t, Verify, Config{From: b.url + "/ORDERS_SEALED,BILLS_SEALED"})
	s = mustRun(t, Decrypt, Config{From: b.url + "/ORDERS_SEALED,BILLS_SEALED?until=latest", To: b.url + copyTemplate})
	if s.Messages != 2*n || s.Rejected > 0 {
		t.Errorf("opened: %+v", s)
	}
	for _, name := range []string{"ORDERS", "BILLS"} {
		for i, m := range b.read(t, name+"_COPY") {
			if want := fmt.Sprintf("%s %d", name, i); string(m.data) != want || m.subject != fmt.Sprintf("copy.%s.%s.%d", name, strings.ToLower(name), i%3) {
				t.Fatalf("got %q under %s, want %q", m.data, m.subject, want)
			}
		}
	}
}

// TestSeveralStreamsLive: each stream has its consumer and its lease, one that
// is parked holds up no other, and the next run goes on where this one ended.
func TestSeveralStreamsLive(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	const n = 20
	fillStreams(t, b, n)
	mustRun(t, Encrypt, Config{From: b.url + "/ORDERS,BILLS?until=latest", To: b.url + sealedTemplate})
	_, err := b.js.Publish(t.Context(), "BILLS_SEALED.bills.x", []byte("no envelope"))
	must(t, err)

	c := Config{From: b.url + "/ORDERS_SEALED,BILLS_SEALED?consumer=dec", To: b.url + copyTemplate, Keys: []string{"local:k.jwk"}}
	live := func(want map[string]int) error {
		t.Helper()
		r, err := Decrypt(t.Context(), c, Env{Log: quiet})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		for name, n := range want {
			for {
				s, err := b.js.Stream(t.Context(), name)
				must(t, err)
				if s.CachedInfo().State.Msgs == uint64(n) {
					break
				}
			}
		}
		cancel()
		err = <-ended
		must(t, r.Close())
		return err
	}
	err = live(map[string]int{"ORDERS_COPY": n, "BILLS_COPY": n})
	if err != nil && !strings.Contains(err.Error(), "from BILLS_SEALED@21: not-an-envelope") {
		t.Errorf("got %v", err)
	}
	_, err = b.js.Publish(t.Context(), "orders.more", []byte("one more"))
	must(t, err)
	mustRun(t, Encrypt, Config{From: b.url + "/ORDERS?until=latest&start=21", To: b.url + "/ORDERS_SEALED?subject=ORDERS_SEALED.>"})
	if err := live(map[string]int{"ORDERS_COPY": n + 1, "BILLS_COPY": n}); err != nil && !strings.Contains(err.Error(), "from BILLS_SEALED@21") {
		t.Errorf("got %v", err)
	}
	kv, err := b.js.KeyValue(t.Context(), "streamcrypt")
	must(t, err)
	keys, err := kv.Keys(t.Context())
	must(t, err)
	leases := map[string]bool{}
	for _, key := range keys {
		if strings.HasPrefix(key, "lease.") {
			leases[key] = true
		}
	}
	want := map[string]bool{"lease.ORDERS_SEALED.dec": true, "lease.BILLS_SEALED.dec": true}
	if !maps.Equal(leases, want) {
		t.Errorf("leases: %v", slices.Collect(maps.Keys(leases)))
	}
}

// TestSeveralStreamsLetters: dead letters of all streams go to one.
func TestSeveralStreamsLetters(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "DEAD", "dead")
	fillStreams(t, b, 3)
	mustRun(t, Encrypt, Config{From: b.url + "/ORDERS,BILLS?until=latest", To: b.url + sealedTemplate})
	for _, subject := range []string{"ORDERS_SEALED.x", "BILLS_SEALED.x"} {
		_, err := b.js.Publish(t.Context(), subject, []byte("no envelope"))
		must(t, err)
	}
	c := Config{
		From: b.url + "/ORDERS_SEALED,BILLS_SEALED?consumer=dec&until=latest", To: b.url + copyTemplate,
		DeadLetter: b.url + "/DEAD?subject=dead",
	}
	if s := mustRun(t, Decrypt, c); s.Rejected != 2 {
		t.Errorf("%+v", s)
	}
	var origins []string
	for _, m := range b.read(t, "DEAD") {
		origins = append(origins, m.header.Get("streamcrypt-origin"))
	}
	if slices.Sort(origins); !slices.Equal(origins, []string{"BILLS_SEALED@4", "ORDERS_SEALED@4"}) {
		t.Errorf("letters of %q", origins)
	}
}

// TestSeveralStreamsRefused: a list that cannot go well ends before anything is
// read or made.
func TestSeveralStreamsRefused(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	fillStreams(t, b, 1)
	list := b.url + "/ORDERS,BILLS?until=latest"
	for _, c := range []struct{ from, to, want string }{
		{list + "&subject=orders.>", b.url + sealedTemplate, "subject= is about one stream"},
		{list + "&start=7", b.url + sealedTemplate, "start= with a sequence"},
		{b.url + "/ORDERS,ORDERS?until=latest", b.url + sealedTemplate, "named twice"},
		{b.url + "/ORDERS,?until=latest", b.url + sealedTemplate, "not a stream name"},
		{list, b.url + "/ONE?subject=one.>&create=true", "one destination for several"},
		{list, "file:out.scx", "one destination for several"},
		{list, b.url + "/{topic}?create=true", "is read by this route"},
		{list, b.url + "/{topic}_SEALED?subject={topic.>", "placeholder"},
		{list, b.url + "/{topic-ERS}_SEALED?subject=x.>&create=true", "no such end"},
		{"file:in.ndjson", b.url + sealedTemplate, "template"},
	} {
		refuses(t, Encrypt, Config{From: c.from, To: c.to}, c.want)
	}
	refuses(t, Encrypt, Config{From: list, To: b.url + sealedTemplate, DeadLetter: b.url + "/{topic}_DEAD?subject=dead"}, "dead letters go to one stream")
	noFile(t, "out.scx")
	names := b.js.StreamNames(t.Context())
	for name := range names.Name() {
		if name != "ORDERS" && name != "BILLS" {
			t.Errorf("made %s", name)
		}
	}
}

// TestSecondRun: a run that stores messages a second time says so before.
func TestSecondRun(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>")
	b.stream(t, "SEALED", "sealed.>")
	_, err := b.js.Publish(t.Context(), "orders.x", []byte("v"))
	must(t, err)
	mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?until=latest", To: b.url + "/SEALED?subject=sealed.>"})
	again := func(from string) string {
		t.Helper()
		var log bytes.Buffer
		r, err := Encrypt(t.Context(), Config{From: b.url + from, To: b.url + "/SEALED?subject=sealed.>", Keys: []string{"local:k.jwk"}},
			Env{Log: slog.New(slog.NewTextHandler(&log, nil))})
		must(t, err)
		must(t, r.Close())
		return log.String()
	}
	if said := again("/PLAIN?until=latest"); !strings.Contains(said, "stored a second time") {
		t.Errorf("a second run is not told of the first: %s", said)
	}
	if said := again("/PLAIN?until=latest&consumer=c"); strings.Contains(said, "stored a second time") {
		t.Errorf("a run with a consumer goes on: %s", said)
	}
}
