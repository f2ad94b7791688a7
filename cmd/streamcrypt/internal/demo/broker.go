package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// broker is a NATS server inside the process, and a client of it.
type broker struct {
	url    string
	server *server.Server
	conn   *natsgo.Conn
	js     jetstream.JetStream
}

// startWait is how long the server may take to accept connections, and to take
// in the messages of a full window.
const startWait = 10 * time.Second

// startBroker starts a server that keeps its files in dir.
func startBroker(dir string) (*broker, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: filepath.Join(dir, "nats"),
		NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, fmt.Errorf("nats server: %w", err)
	}
	b := &broker{server: s}
	s.Start()
	if err := b.connectClient(); err != nil {
		b.stopServer()
		return nil, fmt.Errorf("nats server: %w", err)
	}
	return b, nil
}

func (b *broker) connectClient() (err error) {
	if !b.server.ReadyForConnections(startWait) {
		return errors.New("does not accept connections")
	}
	b.url = b.server.ClientURL()
	if b.conn, err = natsgo.Connect(b.url); err != nil {
		return err
	}
	b.js, err = jetstream.New(b.conn)
	return err
}

// stopServer returns when the server and its files are let go.
func (b *broker) stopServer() {
	if b.conn != nil {
		b.conn.Close()
	}
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

func (b *broker) makeStream(ctx context.Context, name, subjects string) error {
	_, err := b.js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subjects}})
	return err
}

// sendMessages publishes messages and returns when all are stored.
func (b *broker) sendMessages(ctx context.Context, messages func(yield func(*natsgo.Msg) bool)) error {
	var acks []jetstream.PubAckFuture
	for m := range messages {
		ack, err := b.js.PublishMsgAsync(m, jetstream.WithStallWait(startWait))
		if err != nil {
			return err
		}
		acks = append(acks, ack)
	}
	select {
	case <-b.js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, ack := range acks {
		select {
		case err := <-ack.Err():
			return err
		default:
		}
	}
	return nil
}

// readMessages returns the first n messages of a stream.
func (b *broker) readMessages(ctx context.Context, stream string, n int) ([]jetstream.Msg, error) {
	consumer, err := b.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	out := make([]jetstream.Msg, 0, n)
	for len(out) < n {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// countMessages is how many messages a stream holds.
func (b *broker) countMessages(ctx context.Context, stream string) (int, error) {
	s, err := b.js.Stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	return int(s.CachedInfo().State.Msgs), nil
}
