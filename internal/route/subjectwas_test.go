package route

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestSubjectWas: envelopes that a mirror or a republish gave other subjects
// open under those that they were sealed under, and under no others.
func TestSubjectWas(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>")
	b.stream(t, "COPY", "copy.>")
	_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "SEALED", Subjects: []string{"sealed.>"},
		RePublish: &jetstream.RePublish{Source: "sealed.>", Destination: "copy.>"},
	})
	must(t, err)
	const n = 20
	for i := range n {
		b.publish(t, &natsgo.Msg{Subject: fmt.Sprintf("orders.%d", i%3), Data: fmt.Appendf(nil, "v%d", i)})
	}
	b.published(t)
	mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?until=latest", To: b.url + "/SEALED?subject=sealed.>"})
	_, err = b.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "MIRROR",
		Mirror: &jetstream.StreamSource{
			Name:              "SEALED",
			SubjectTransforms: []jetstream.SubjectTransformConfig{{Source: "sealed.>", Destination: "far.away.>"}},
		},
	})
	must(t, err)
	for _, name := range []string{"MIRROR", "COPY"} {
		for {
			s, err := b.js.Stream(t.Context(), name)
			must(t, err)
			if s.CachedInfo().State.Msgs == n {
				break
			}
		}
	}

	from := func(stream, query string) Config {
		return Config{From: b.url + "/" + stream + "?until=latest" + query, To: "file:out.ndjson", Context: "SEALED", ContextSet: true, Overwrite: true}
	}
	for stream, strip := range map[string]string{"MIRROR": "far.away", "COPY": "copy"} {
		fails(t, Decrypt, from(stream, ""), stream+"@1: tampered")
		fails(t, Decrypt, from(stream, "&subject-was=other.>&strip="+strip), stream+"@1: tampered")
		fails(t, Decrypt, from(stream, "&subject-was=sealed.orders.1"), stream+"@1: tampered")
		fails(t, Decrypt, from(stream, "&subject-was=sealed.>&strip=elsewhere"), stream+"@1: header: subject-was")
		right := "&subject-was=sealed.>&strip=" + strip
		if s := mustRun(t, Decrypt, from(stream, right)); s.Messages != n {
			t.Errorf("%s: %+v", stream, s)
		}
		out, err := os.ReadFile("out.ndjson")
		must(t, err)
		if got := strings.Count(string(out), `"subject":"sealed.orders.`); got != n {
			t.Errorf("%s: %d of %d with the subject that they were sealed under: %s", stream, got, n, out)
		}
		mustRun(t, Verify, Config{From: b.url + "/" + stream + "?" + right[1:], Context: "SEALED", ContextSet: true})
	}
	refuses(t, Encrypt, Config{From: b.url + "/PLAIN?until=latest&subject-was=x.>", To: "file:o.scx"}, "subject-was=")
	refuses(t, Decrypt, from("MIRROR", "&subject-was=a..b"), "subject-was")

	var log bytes.Buffer
	r, err := Decrypt(t.Context(), Config{From: b.url + "/MIRROR?until=latest", To: "file:x.ndjson", Keys: []string{"local:k.jwk"}},
		Env{Log: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	must(t, r.Close())
	if !strings.Contains(log.String(), "changes the subjects") {
		t.Errorf("not warned of: %s", log.String())
	}
}
