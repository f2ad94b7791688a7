package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// broker is a server in this process, with a client to look into its streams.
type broker struct {
	url    string
	js     jetstream.JetStream
	server *server.Server
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("no server")
	}
	nc, err := natsgo.Connect(s.ClientURL())
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	must(t, err)
	return &broker{url: s.ClientURL(), js: js, server: s}
}

func (b *broker) stream(t *testing.T, name string, subjects ...string) {
	t.Helper()
	_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: subjects})
	must(t, err)
}

// stored is a message as it lies in a stream.
type stored struct {
	subject string
	header  natsgo.Header
	data    []byte
}

func (b *broker) read(t *testing.T, stream string) []stored {
	t.Helper()
	s, err := b.js.Stream(t.Context(), stream)
	must(t, err)
	n := int(s.CachedInfo().State.Msgs)
	if n == 0 {
		return nil
	}
	reader, err := s.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	must(t, err)
	batch, err := reader.Fetch(n)
	must(t, err)
	var all []stored
	for m := range batch.Messages() {
		m.Headers().Del("Nats-Msg-Id")
		all = append(all, stored{m.Subject(), m.Headers(), m.Data()})
	}
	must(t, batch.Error())
	return all
}

func (b *broker) publish(t *testing.T, m *natsgo.Msg) {
	t.Helper()
	_, err := b.js.PublishMsgAsync(m)
	must(t, err)
}

func (b *broker) published(t *testing.T) {
	t.Helper()
	select {
	case <-b.js.PublishAsyncComplete():
	case <-t.Context().Done():
		t.Fatal("not published")
	}
}

func TestThreeStreams(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>")
	const n = 2000
	for i := range n {
		m := natsgo.NewMsg(fmt.Sprintf("orders.%d", i%7))
		m.Data = fmt.Appendf(nil, `{"order":%d}`, i)
		m.Header.Set("Trace-Id", fmt.Sprint("t", i))
		if i%5 == 0 {
			m.Header.Add("Trace-Id", "again")
			m.Header.Set("Streamcrypt-Key", "a2V5")
		}
		switch i % 100 {
		case 7:
			m.Data = nil
		case 8:
			m.Data = nil
			m.Header.Set("Streamcrypt-Null", "value")
		}
		b.publish(t, m)
	}
	b.published(t)

	bind := []string{"header:Trace-Id"}
	s := mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?consumer=enc&until=latest", To: b.url + "/ENC?subject=enc.>&create=true", Bind: bind, Workers: 3})
	if s.Messages != n || s.Total != n || s.Done != n || s.Unit != endpoint.Messages || s.Rejected+s.Skipped > 0 {
		t.Errorf("sealing: %+v", s)
	}
	s = mustRun(t, Verify, Config{From: b.url + "/ENC", Bind: bind})
	if s.Messages != n || s.Total != n {
		t.Errorf("verifying: %+v", s)
	}
	s = mustRun(t, Decrypt, Config{From: b.url + "/ENC?consumer=dec&until=latest", To: b.url + "/OUT?subject=out.>&strip=enc&create=true", Bind: bind, Workers: 3})
	if s.Messages != n || s.Skipped+s.Rejected > 0 {
		t.Errorf("opening: %+v", s)
	}

	plain, sealed, out := b.read(t, "PLAIN"), b.read(t, "ENC"), b.read(t, "OUT")
	if len(sealed) != n || len(out) != n {
		t.Fatalf("%d sealed, %d opened", len(sealed), len(out))
	}
	order := func(a, b stored) int { return strings.Compare(a.header.Get("Trace-Id"), b.header.Get("Trace-Id")) }
	slices.SortFunc(plain, order)
	slices.SortFunc(out, order)
	for i := range n {
		p, o := plain[i], out[i]
		if "out."+p.subject != o.subject || !bytes.Equal(p.data, o.data) || fmt.Sprint(p.header) != fmt.Sprint(o.header) {
			t.Fatalf("got %+v, want %+v", o, p)
		}
		if !strings.HasPrefix(sealed[i].subject, "enc.orders.") || bytes.Contains(sealed[i].data, []byte("order")) {
			t.Fatalf("sealed as %+v", sealed[i])
		}
	}
}

// A route that is run again finds nothing to do, and what a stream is given
// twice it stores once.
func TestStreamIsGoneOnWith(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "p")
	b.stream(t, "ENC", "e")
	publish := func(n int) {
		for range n {
			b.publish(t, &natsgo.Msg{Subject: "p", Data: []byte("x")})
		}
		b.published(t)
	}
	publish(3)
	c := Config{From: b.url + "/PLAIN?consumer=c&until=latest", To: b.url + "/ENC?subject=e"}
	for _, want := range []int64{3, 0, 2} {
		if want == 2 {
			publish(2)
		}
		if s := mustRun(t, Encrypt, c); s.Messages != want {
			t.Errorf("%d messages, want %d", s.Messages, want)
		}
	}
	c.From = b.url + "/PLAIN?consumer=another&until=latest"
	if s := mustRun(t, Encrypt, c); s.Messages != 5 {
		t.Errorf("%d messages", s.Messages)
	}
	if got := len(b.read(t, "ENC")); got != 5 {
		t.Errorf("%d messages are stored", got)
	}
}

func TestFilesThroughAStream(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "ENC", "enc.>")
	lines := []byte(`{"key":"k1","value":"hello","headers":[["a","1"],["b","2"]],"subject":"enc.x"}
{"key":"k1","value":null,"subject":"enc.x"}
{"key64":"//8=","value64":"//79","subject":"enc.y"}
{"key":"","value":"","subject":"enc.x"}
{"value":null,"subject":"enc.z"}
`)
	// Null values with envelopes of every kind of byte: a header of NATS is
	// text.
	for i := range 60 {
		lines = fmt.Appendf(lines, "{\"key\":\"k%d\",\"value\":null,\"subject\":\"enc.x\"}\n", i)
	}
	writeFile(t, "in.ndjson", lines)
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: b.url + "/ENC"})
	for _, m := range b.read(t, "ENC") {
		if text := m.header.Get("streamcrypt"); text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("a tombstone's header is %q", text)
		}
	}
	s := mustRun(t, Decrypt, Config{From: b.url + "/ENC?until=latest", To: "file:out.ndjson"})
	if s.Messages != 65 || s.Skipped > 0 {
		t.Errorf("%+v", s)
	}
	same(t, withoutTime(readFile(t, "out.ndjson")), lines)

	// Without a checkpoint nothing says that it is the same file: none of its
	// messages may be taken for a duplicate.
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: b.url + "/ENC"})
	if got := len(b.read(t, "ENC")); got != 130 {
		t.Errorf("%d messages after a second run", got)
	}

	// A message without a subject, where none is configured, is no message's
	// fault.
	writeFile(t, "bare.ndjson", []byte("{\"value\":\"x\"}\n"))
	fails(t, Encrypt, Config{From: "file:bare.ndjson", To: b.url + "/ENC"}, "no subject of its own")
	// What the destination cannot carry is.
	writeFile(t, "break.ndjson", []byte(`{"value":"x","headers":[["a","b\nc"]]}`+"\n"))
	s = mustRun(t, Encrypt, Config{From: "file:break.ndjson", To: b.url + "/ENC?subject=enc.x", DeadLetter: "file:d.ndjson"})
	if s.Rejected != 1 || s.Reasons["header"] != 1 {
		t.Errorf("%+v", s)
	}
}

// withoutTime takes the time off each line: it is when the message was stored.
func withoutTime(lines []byte) []byte {
	var out []byte
	for line := range bytes.Lines(lines) {
		start := bytes.Index(line, []byte(`,"time":"`))
		end := start + len(`,"time":"`) + bytes.IndexByte(line[start+len(`,"time":"`):], '"') + 1
		out = append(append(out, line[:start]...), line[end:]...)
	}
	return out
}

func TestMovedEnvelopeBecomesADeadLetter(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "ENC", "enc.>")
	b.stream(t, "OUT", "out.>")
	b.stream(t, "DEAD", "dead")
	writeFile(t, "in.ndjson", []byte(`{"key":"k","value":"hello","subject":"enc.a"}`+"\n"))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: b.url + "/ENC"})
	m := b.read(t, "ENC")[0]
	b.publish(t, &natsgo.Msg{Subject: "enc.b", Data: m.data, Header: m.header})
	b.published(t)
	large := natsgo.NewMsg("enc.c") // as large as a message can be: too large to be a letter with it
	large.Data = make([]byte, 1<<20-len("NATS/1.0\r\n\r\n"))
	b.publish(t, large)
	b.published(t)

	c := Config{From: b.url + "/ENC?until=latest", To: b.url + "/OUT?subject=out.>"}
	fails(t, Decrypt, c, "ENC@2: tampered")
	c.DeadLetter = b.url + "/DEAD?subject=dead"
	s := mustRun(t, Decrypt, c)
	if s.Messages != 3 || s.Rejected != 2 || s.Reasons["tampered"] != 1 || s.Reasons["not-an-envelope"] != 1 {
		t.Errorf("%+v", s)
	}
	dead := b.read(t, "DEAD")
	if len(dead) != 2 || dead[0].header.Get("streamcrypt-origin") != "ENC@2" || dead[0].header.Get("streamcrypt-reason") != "tampered" ||
		!bytes.Equal(dead[0].data, m.data) || len(dead[1].data) != 0 {
		t.Errorf("letters: %+v", dead)
	}
	if out := b.read(t, "OUT"); len(out) != 1 || string(out[0].data) != "hello" || out[0].subject != "out.enc.a" {
		t.Errorf("opened: %+v", out)
	}
}

func TestNATSRefusals(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "p")
	writeFile(t, "in.ndjson", nil)
	refuses(t, Encrypt, Config{From: b.url + "/NONE?until=latest", To: "file:o.scx"}, "nats stream NONE")
	refuses(t, Encrypt, Config{From: b.url + "/PLAIN", To: "file:o.scx"}, "neither a consumer nor an end")
	refuses(t, Encrypt, Config{From: "file:in.ndjson", To: b.url + "/NONE?subject=x"}, "create=true")
	refuses(t, Encrypt, Config{From: b.url + "/PLAIN?until=latest", To: "file:no/such/o.scx"}, "no such file")
	refuses(t, Encrypt, Config{From: "file:in.ndjson", To: b.url + "/PLAIN?subject=x"}, "not among its subjects")
	refuses(t, Encrypt, Config{From: "nats://127.0.0.1:1/S?until=latest", To: "file:o.scx"}, "127.0.0.1:1")
	noFile(t, "o.scx")
	for b.server.NumClients() > 1 { // ours; the others close
		if t.Context().Err() != nil {
			t.Fatal("connections are left open")
		}
		time.Sleep(time.Millisecond)
	}
}

// A run without an end is ended by its context, which is no error; one with an
// end is not done before it.
func TestStreamIsEndedByItsContext(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "p")
	b.stream(t, "ENC", "e")
	b.publish(t, &natsgo.Msg{Subject: "p", Data: []byte("x")})
	b.published(t)
	r, err := Encrypt(t.Context(), Config{From: b.url + "/PLAIN?consumer=c", To: b.url + "/ENC?subject=e", Keys: []string{"local:k.jwk"}}, Env{Log: quiet})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	out, err := b.js.Stream(t.Context(), "ENC")
	must(t, err)
	for info := out.CachedInfo(); info.State.Msgs < 1; {
		info, err = out.Info(t.Context())
		must(t, err)
	}
	cancel()
	must(t, <-ended)
	if s := r.Snapshot(); s.Total != 0 || s.Unit != endpoint.Messages {
		t.Errorf("%+v", s)
	}
	must(t, r.Close())

	gone, cancelled := context.WithCancel(t.Context())
	r, err = Encrypt(t.Context(), Config{From: b.url + "/PLAIN?until=latest", To: b.url + "/ENC?subject=e", Keys: []string{"local:k.jwk"}}, Env{Log: quiet})
	must(t, err)
	cancelled()
	if err := r.Run(gone); !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %v", err)
	}
	must(t, r.Close())
}
