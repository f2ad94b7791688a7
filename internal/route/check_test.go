package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/internal/audit"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keycheck"
)

// check checks keys and returns the report.
func check(t *testing.T, c Config, o CheckOptions, env Env) (*keycheck.Report, error) {
	t.Helper()
	env.Log = quiet
	k, err := CheckKeys(t.Context(), c, o, env)
	if err != nil {
		return nil, err
	}
	err = k.Run(t.Context())
	if s := k.Snapshot(); s.Done < 0 || s.Total > 0 && s.Done > s.Total {
		t.Errorf("%+v", s)
	}
	must(t, k.Close())
	return k.Report(), err
}

func mustCheck(t *testing.T, c Config, o CheckOptions) *keycheck.Report {
	t.Helper()
	r, err := check(t, c, o, Env{})
	must(t, err)
	return r
}

// lostAndFound is a configuration that seals under the key that is lost, and
// one that goes on under another.
func lostAndFound(from, to string) (lost, found Config) {
	lost = Config{From: from, To: to, Keys: []string{"local:other.jwk"}, Workers: 1}
	found = lost
	found.Keys = []string{"local:k.jwk"}
	return lost, found
}

// TestCheckKafka loses a key: all of the topic and a sample of it say the same,
// and from where it can be read.
func TestCheckKafka(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	put := func(n int) {
		var records []*kgo.Record
		for i := range n {
			r := &kgo.Record{Topic: "plain", Partition: int32(i % 2), Key: []byte("k"), Value: fmt.Appendf(nil, "value %d", i)}
			if i%10 == 9 {
				r.Value = nil // a sealed tombstone
			}
			records = append(records, r)
		}
		b.put(t, records...)
	}
	lost, found := lostAndFound(b.url+"/plain?group=g&until=latest", b.url+"/sealed?create=true")
	put(300)
	mustRun(t, Encrypt, lost)
	begin := b.ends("sealed")
	put(500)
	mustRun(t, Encrypt, found)

	c := Config{From: b.url + "/sealed", Keys: found.Keys}
	all, sample := mustCheck(t, c, CheckOptions{}), mustCheck(t, c, CheckOptions{Sample: 5})
	if all.Envelopes != 800 || all.Readable != 500 || all.Few != 0 || len(all.Refused) != 0 || all.AllReadable() || len(all.KEKs) != 2 {
		t.Errorf("%+v", all)
	}
	if !sample.Sampled || sample.Envelopes > 120 || sample.AllReadable() {
		t.Errorf("%+v", sample)
	}
	for i, p := range all.Places {
		s := sample.Places[i]
		if p.Name != fmt.Sprintf("sealed/%d", i) || *p.FirstReadable != begin[i] || *p.From != begin[i] || p.Changes != 1 {
			t.Errorf("%+v, the key changed at %d", p, begin[i])
		}
		if s.Name != p.Name || *s.FirstReadable != *p.FirstReadable || s.First != p.First || s.Last != p.Last || s.Changes != 1 {
			t.Errorf("a sample says %+v, all of it %+v", s, p)
		}
	}

	c.From += "?partitions=1&start=" + fmt.Sprint(begin[1])
	for _, o := range []CheckOptions{{}, {Sample: 20}} {
		if r := mustCheck(t, c, o); len(r.Places) != 1 || !r.AllReadable() || r.Places[0].First != begin[1] {
			t.Errorf("%+v", r)
		}
	}
	// All of it is plaintext, and nothing of it is shown.
	r := mustCheck(t, Config{From: b.url + "/plain", Keys: found.Keys}, CheckOptions{Sample: 4})
	if r.Envelopes != 0 || r.AllReadable() || r.Places[0].FirstReadable != nil {
		t.Errorf("%+v", r)
	}
}

// TestCheckNATS has tombstones, whose envelopes stand in a header as text, and
// leaves no consumer behind.
func TestCheckNATS(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>")
	publish := func(n int) {
		for i := range n {
			m := natsgo.NewMsg(fmt.Sprintf("orders.%d", i%3))
			m.Data = fmt.Appendf(nil, "order %d", i)
			if i%4 == 0 {
				m.Data = nil
				m.Header.Set("Streamcrypt-Null", "value")
			}
			b.publish(t, m)
		}
		b.published(t)
	}
	lost, found := lostAndFound(b.url+"/PLAIN?consumer=enc&until=latest", b.url+"/ENC?subject=enc.>&create=true")
	publish(40)
	mustRun(t, Encrypt, lost)
	publish(60)
	mustRun(t, Encrypt, found)
	c := Config{From: b.url + "/ENC", Keys: found.Keys}
	for _, o := range []CheckOptions{{}, {Sample: 3}, {Sample: 500}} {
		r := mustCheck(t, c, o)
		p := r.Places[0]
		if p.Name != "ENC" || p.First != 1 || p.Last != 100 || *p.FirstReadable != 41 || *p.From != 41 || len(r.Refused) != 0 {
			t.Errorf("%+v: %+v, %v", o, p, r.Refused)
		}
	}
	stream, err := b.js.Stream(t.Context(), "ENC")
	must(t, err)
	if info, err := stream.Info(t.Context()); err != nil || info.State.Consumers != 0 {
		t.Errorf("%d consumers are left, %v", info.State.Consumers, err)
	}
	c.From += "?subject=enc.orders.2"
	if r := mustCheck(t, c, CheckOptions{Sample: 200}); r.Envelopes != 33 {
		t.Errorf("%d envelopes of a subject", r.Envelopes)
	}
}

// TestCheckFiles reads every format, profile and form. An archive is read to
// its end even if the key of its end records is lost.
func TestCheckFiles(t *testing.T) {
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	writeFile(t, "in.ndjson", []byte(kinds))
	writeFile(t, "in.raw", bytes.Repeat([]byte("x"), 20_000))
	for profile := range profiles {
		for _, name := range []string{"s.scx", "s.ndjson", "s.raw"} {
			t.Run(profile+" "+name, func(t *testing.T) {
				from := "file:in.ndjson"
				if name == "s.raw" {
					from = "file:in.raw"
				}
				c := config(profile, Config{From: from, To: "file:" + name, ChunkSize: 4096, Overwrite: true, Keys: []string{"local:k.jwk", "local:other.jwk"}})
				mustRun(t, Encrypt, c)
				c.From, c.To = c.To, ""
				for _, k := range []string{"local:k.jwk", "local:other.jwk"} {
					c.Keys = []string{k}
					r := mustCheck(t, c, CheckOptions{Sample: 2, Recipients: 3})
					if !r.AllReadable() || r.Readable == 0 || r.Sampled || len(r.KEKs) != 2 || r.Few != r.Envelopes || *r.Places[0].FirstReadable != 0 {
						t.Errorf("%+v", r)
					}
				}
			})
		}
	}

	lost, found := lostAndFound("file:in.ndjson", "file:two.scx")
	mustRun(t, Encrypt, lost)
	found.To += "?append=true"
	mustRun(t, Encrypt, found)
	again := found
	again.Keys = lost.Keys
	mustRun(t, Encrypt, again)
	r := mustCheck(t, Config{From: "file:two.scx", Keys: found.Keys}, CheckOptions{})
	if p := r.Places[0]; r.Envelopes != 21 || r.Readable != 7 || p.Changes != 2 || *p.FirstReadable != 6 || p.From != nil {
		t.Errorf("%+v", r)
	}
	b := readFile(t, "two.scx")
	writeFile(t, "cut.scx", b[:len(b)-10])
	r, err := check(t, Config{From: "file:cut.scx", Keys: found.Keys}, CheckOptions{}, Env{})
	if err == nil || r.Readable != 7 {
		t.Errorf("%+v, %v", r, err)
	}
	var sealed bytes.Buffer
	_, err = run(t, Encrypt, Config{From: "file:in.raw", To: "file:-"}, Env{Stdout: &sealed})
	must(t, err)
	if r, err = check(t, Config{From: "file:-", Keys: found.Keys}, CheckOptions{}, Env{Stdin: &sealed}); err != nil || !r.AllReadable() || r.Envelopes != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCheckRefused(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(kinds))
	for want, c := range map[string]struct {
		c Config
		o CheckOptions
	}{
		"sample: 1 messages":         {Config{From: "file:in.ndjson"}, CheckOptions{Sample: 1}},
		"sample: -2 messages":        {Config{From: "file:in.ndjson"}, CheckOptions{Sample: -2}},
		"recipients must not be neg": {Config{From: "file:in.ndjson"}, CheckOptions{Recipients: -2}},
		"none.jwk":                   {Config{From: "file:in.ndjson", Keys: []string{"local:none.jwk"}}, CheckOptions{}},
		"none.ndjson":                {Config{From: "file:none.ndjson"}, CheckOptions{}},
		"none.raw":                   {Config{From: "file:none.raw"}, CheckOptions{}},
		"leave out group=":           {Config{From: "kafka://localhost:1/t?group=g"}, CheckOptions{}},
		"and the audit log are":      {Config{From: "file:in.ndjson", Audit: "in.ndjson"}, CheckOptions{}},
		"audit log none/audit":       {Config{From: "file:in.ndjson", Audit: "none/audit"}, CheckOptions{}},
		"audit log in.raw: chan":     {Config{From: "file:in.ndjson", Audit: "in.raw"}, CheckOptions{}},
	} {
		writeFile(t, "in.raw", []byte("no audit log\n"))
		_, err := check(t, c.c, c.o, Env{})
		var advised *hint.Error
		if err == nil || !strings.Contains(err.Error()+hintOf(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if errors.Is(err, audit.ErrChanged) && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, "keys audit verify")) {
			t.Errorf("%v has no hint", err)
		}
	}
}

func hintOf(err error) string {
	var advised *hint.Error
	if errors.As(err, &advised) {
		return advised.Hint
	}
	return ""
}

func TestCheckInterrupted(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(kinds))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.scx"})
	ctx, cancel := context.WithCancel(t.Context())
	k, err := CheckKeys(ctx, Config{From: "file:s.scx"}, CheckOptions{}, Env{Log: quiet})
	must(t, err)
	defer k.Close()
	cancel()
	if err := k.Run(ctx); !errors.Is(err, ErrInterrupted) {
		t.Errorf("%v", err)
	}
}

// TestAuditLog opens and closes one with a route, and refuses one that is the
// route's input or output.
func TestAuditLog(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(kinds))
	c := Config{From: "file:in.ndjson", To: "file:s.scx", Audit: "audit"}
	mustRun(t, Encrypt, c)
	mustRun(t, Verify, Config{From: "file:s.scx", Audit: "audit"})
	v := audit.Verifier{}
	must(t, v.AddFile("audit", bytes.NewReader(readFile(t, "audit"))))
	text := string(readFile(t, "audit"))
	for _, name := range []string{"encrypt-in.ndjson", "verify-s.scx"} {
		if !strings.Contains(text, `"route":"`+name+`"`) {
			t.Errorf("no line of %s:\n%s", name, text)
		}
	}
	c.Audit, c.Overwrite = "s.scx", true
	refuses(t, Encrypt, c, "to and the audit log are the same")
}
