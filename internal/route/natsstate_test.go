package route

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
)

// A message that was read before a restart is dropped when somebody plays it
// once more, wherever the replay check keeps its memory. If that is gone it
// passes, and this is said.
func TestReplayAcrossRestart(t *testing.T) {
	for name, is := range map[string]struct {
		state string // URL
		lose  func(t *testing.T, b *broker)
	}{
		"with the lease": {"", func(t *testing.T, b *broker) {
			kv, err := b.js.KeyValue(t.Context(), "streamcrypt")
			must(t, err)
			must(t, kv.Purge(t.Context(), "lease.ENC.dec"))
		}},
		"in another bucket": {"%s/GATES", func(t *testing.T, b *broker) {
			must(t, b.js.DeleteKeyValue(t.Context(), "GATES"))
		}},
		"in a file": {"file:gate.state", func(t *testing.T, _ *broker) { must(t, os.Remove("gate.state")) }},
	} {
		t.Run(name, func(t *testing.T) {
			testDir(t)
			b := startBroker(t)
			b.stream(t, "PLAIN", "p")
			b.stream(t, "ENC", "e")
			b.stream(t, "OUT", "o")
			publish := func(n int) {
				for i := range n {
					b.publish(t, &natsgo.Msg{Subject: "p", Data: fmt.Append(nil, "message ", i)})
				}
				b.published(t)
				mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?consumer=c&until=latest", To: b.url + "/ENC?subject=e"})
			}
			publish(5)
			var logs bytes.Buffer
			c := Config{From: b.url + "/ENC?consumer=dec&until=latest", To: b.url + "/OUT?subject=o", Workers: 1}
			if is.state != "" {
				c.State = strings.ReplaceAll(is.state, "%s", b.url)
			}
			// A second run, which a replay is read in.
			again := func() (written int) {
				sealed := b.read(t, "ENC")[1]
				b.publish(t, &natsgo.Msg{Subject: sealed.subject, Header: sealed.header, Data: sealed.data})
				b.published(t)
				logs.Reset()
				before := len(b.read(t, "OUT"))
				_, err := run(t, Decrypt, c, Env{Log: slog.New(slog.NewTextHandler(&logs, nil))})
				must(t, err)
				return len(b.read(t, "OUT")) - before
			}
			if s := mustRun(t, Decrypt, c); s.Messages != 5 {
				t.Fatalf("%+v", s)
			}
			const said = "the state of the replay check is lost"
			if n := again(); n != 0 || strings.Contains(logs.String(), said) {
				t.Fatalf("%d messages were written of a replay: %s", n, logs.String())
			}
			is.lose(t, b)
			if n := again(); n != 1 || !strings.Contains(logs.String(), said) {
				t.Fatalf("without a state %d messages were written: %s", n, logs.String())
			}
		})
	}
}

func TestStateRefusals(t *testing.T) {
	testDir(t)
	const from, to = "nats://h/S?consumer=c", "nats://h/T"
	refuses(t, Encrypt, Config{From: from, To: to, State: "file:x"}, "only a route that decrypts")
	for want, c := range map[string]Config{
		"the source cannot keep":                   {From: "file:a.scx", To: "file:b.ndjson", State: "file:x"},
		"without a consumer":                       {From: "nats://h/S?until=latest", To: to, State: "file:x"},
		"the state and the audit log are the same": {From: from, To: to, State: "file:x", Audit: "x"},
		"parameter creds":                          {From: from, To: to, State: "nats://h/B?creds=none"},
	} {
		refuses(t, Decrypt, c, want)
	}
}
