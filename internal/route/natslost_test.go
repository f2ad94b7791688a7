package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
)

// TestDeletedFromStream: a run over a stream says what its limits, or a purge,
// took away between two runs, and says it once. A message that somebody has
// deleted by itself is not missed.
func TestDeletedFromStream(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>")
	put := func(n int) {
		for i := range n {
			b.publish(t, &natsgo.Msg{Subject: "orders.a", Data: fmt.Append(nil, i)})
		}
		b.published(t)
	}
	c := Config{From: b.url + "/PLAIN?until=latest&consumer=c", To: "file:out.ndjson?append=true"}
	again := func(messages, deleted int64) {
		t.Helper()
		s, err := run(t, Encrypt, c, Env{})
		lost, ok := errors.AsType[*connector.DeletedError](err)
		if s.Messages != messages || s.Deleted != deleted || s.Cut != 0 || ok != (deleted > 0) ||
			ok && lost.Deleted != deleted || !ok && err != nil {
			t.Errorf("%d messages, %d deleted, %v; want %d and %d", s.Messages, s.Deleted, err, messages, deleted)
		}
	}
	stream, err := b.js.Stream(t.Context(), "PLAIN")
	must(t, err)
	put(10)
	again(10, 0)
	put(20) // up to 30
	must(t, stream.Purge(t.Context(), jetstream.WithPurgeSequence(21)))
	again(10, 10)
	again(0, 0)
	put(10) // up to 40
	must(t, stream.DeleteMsg(t.Context(), 35))
	again(9, 0)
	put(5) // up to 45
	must(t, stream.Purge(t.Context()))
	again(0, 5)
	again(0, 0)
	put(3)
	again(3, 0)
}

// TestDeletedIsSaidOnce: a run that keeps the replay check's memory elsewhere
// says once, too, what was deleted before it.
func TestDeletedIsSaidOnce(t *testing.T) {
	for _, state := range []string{"", "%s/GATES", "file:gate.state"} {
		testDir(t)
		b := startBroker(t)
		b.stream(t, "PLAIN", "p")
		b.stream(t, "ENC", "e")
		b.stream(t, "OUT", "o")
		stream, err := b.js.Stream(t.Context(), "ENC")
		must(t, err)
		c := Config{
			From: b.url + "/ENC?consumer=dec&until=latest", To: b.url + "/OUT?subject=o", Workers: 1,
			State: strings.ReplaceAll(state, "%s", b.url),
		}
		put := func() {
			t.Helper()
			for i := range 5 {
				b.publish(t, &natsgo.Msg{Subject: "p", Data: fmt.Append(nil, i)})
			}
			b.published(t)
			mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?consumer=c&until=latest", To: b.url + "/ENC?subject=e"})
		}
		put()
		mustRun(t, Decrypt, c)
		for range 4 {
			put()
			must(t, stream.Purge(t.Context()))
			if s, err := run(t, Decrypt, c, Env{}); s.Deleted != 5 {
				t.Errorf("%q: %d deleted: %v", state, s.Deleted, err)
			}
			if s, err := run(t, Decrypt, c, Env{}); s.Deleted != 0 || err != nil {
				t.Errorf("%q: said again: %d, %v", state, s.Deleted, err)
			}
		}
	}
}
