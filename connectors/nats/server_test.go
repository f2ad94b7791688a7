package nats

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestMain lets more tests run at a time than there are processors: most of
// them wait for a server.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// broker is a JetStream server inside the test.
type broker struct {
	t      *testing.T
	opts   server.Options
	server *server.Server
	js     jetstream.JetStream // a client of its own, for looking at the server
}

// startBroker starts a server on a free port of the loopback interface; change
// may be nil.
func startBroker(t *testing.T, change func(*server.Options)) *broker {
	t.Helper()
	b := &broker{t: t, opts: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true,
	}}
	if change != nil {
		change(&b.opts)
	}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *broker) start() {
	b.t.Helper()
	opts := b.opts.Clone()
	s, err := server.NewServer(opts)
	if err != nil {
		b.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		b.t.Fatal("server does not start")
	}
	b.server = s
	b.opts.Port = s.Addr().(*net.TCPAddr).Port
}

func (b *broker) stop() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

// restart stops the server and starts it again on the same port and files.
func (b *broker) restart() {
	b.t.Helper()
	b.stop()
	b.start()
}

func (b *broker) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", b.opts.Port) }

// connect opens a connection as the connector does.
func (b *broker) connect() *Conn {
	b.t.Helper()
	c, err := Connect(b.t.Context(), ConnOptions{URL: b.url(), Name: "test", Log: quiet})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

var quiet = slog.New(slog.DiscardHandler)

// plain is a client that has nothing of ours.
func (b *broker) plain() jetstream.JetStream {
	b.t.Helper()
	if b.js == nil {
		nc, err := natsgo.Connect(b.url(), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(50*time.Millisecond))
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(nc.Close)
		b.js, err = jetstream.New(nc)
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return b.js
}

// stream makes a stream that takes its own name in small letters, and
// everything below it.
func (b *broker) stream(name string, change func(*jetstream.StreamConfig)) {
	b.t.Helper()
	cfg := jetstream.StreamConfig{Name: name, Subjects: []string{subjectOf(name), subjectOf(name) + ".>"}, Storage: jetstream.FileStorage}
	if change != nil {
		change(&cfg)
	}
	if _, err := b.plain().CreateStream(b.t.Context(), cfg); err != nil {
		b.t.Fatal(err)
	}
}

func subjectOf(stream string) string {
	s := []byte(stream)
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			s[i] = c + 'a' - 'A'
		}
	}
	return string(s)
}

// fill publishes n numbered messages of at least size bytes to a stream.
func (b *broker) fill(stream string, n, size int) {
	b.t.Helper()
	msgs := make([]*natsgo.Msg, n)
	for i := range msgs {
		msgs[i] = numberedMsg(stream, i, size)
	}
	b.publishAll(msgs)
}

// publishAll publishes in order, and waits for many at a time.
func (b *broker) publishAll(msgs []*natsgo.Msg) {
	b.t.Helper()
	for some := range slices.Chunk(msgs, 2000) {
		b.publishSome(some)
	}
}

func (b *broker) publishSome(msgs []*natsgo.Msg) {
	b.t.Helper()
	var acks []jetstream.PubAckFuture
	for _, msg := range msgs {
		ack, err := b.plain().PublishMsgAsync(msg)
		if err != nil {
			b.t.Fatal(err)
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			b.t.Fatal(err)
		}
	}
}

func numberedMsg(stream string, i, size int) *natsgo.Msg {
	return &natsgo.Msg{Subject: subjectOf(stream), Data: numbered(i, size)}
}

func numbered(i, size int) []byte {
	return fmt.Appendf(nil, "%0*d", max(size, 8), i)
}

func (b *broker) publish(msg *natsgo.Msg) uint64 {
	b.t.Helper()
	ack, err := b.plain().PublishMsg(b.t.Context(), msg)
	if err != nil {
		b.t.Fatal(err)
	}
	return ack.Sequence
}

// purge deletes all messages of a stream.
func (b *broker) purge(stream string) {
	b.t.Helper()
	s, err := b.plain().Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := s.Purge(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// stored reads all messages of a stream, in order.
func (b *broker) stored(stream string) []*jetstream.RawStreamMsg {
	b.t.Helper()
	s, err := b.plain().Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	state := s.CachedInfo().State
	var msgs []*jetstream.RawStreamMsg
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		msg, err := s.GetMsg(b.t.Context(), seq)
		if err != nil {
			b.t.Fatal(err)
		}
		msgs = append(msgs, msg)
	}
	return msgs
}

func (b *broker) consumer(stream, name string) *jetstream.ConsumerInfo {
	b.t.Helper()
	c, err := b.plain().Consumer(b.t.Context(), stream, name)
	if err != nil {
		b.t.Fatal(err)
	}
	return c.CachedInfo()
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !yes() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// source opens a Source, with the test's defaults for what o leaves open.
func (b *broker) source(c *Conn, o SourceOptions) *Source {
	b.t.Helper()
	o.Log = cmp.Or(o.Log, quiet)
	s, err := NewSource(b.t.Context(), c, o)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// sink opens a Sink, with the test's defaults for what o leaves open.
func (b *broker) sink(c *Conn, o SinkOptions) *Sink {
	b.t.Helper()
	o.Log = quiet
	if o.Observer == nil {
		o.Observer = new(witness)
	}
	s, err := NewSink(b.t.Context(), c, o)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// copier is a Transform that changes nothing but the subject.
type copier struct{ subjects SubjectMap }

func (copier) Reset()                        {}
func (copier) Bound(m *pipeline.Message) int { return len(m.Value) }
func (c copier) Append(_ context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	subject, err := c.subjects.Map(nil, m.Subject)
	m.Subject = subject
	return append(dst, m.Value...), err
}
