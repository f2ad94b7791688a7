package testcontainers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	tcnats "github.com/testcontainers/testcontainers-go/modules/nats"
)

const messages = 100_000

// TestNATS encrypts a stream of a real server into a second one and decrypts
// that into a third, and compares field by field.
func TestNATS(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	url, js := startNATS(ctx, t)
	for _, name := range []string{"ORDERS", "ENC", "PLAIN"} {
		subject := map[string]string{"ORDERS": "orders.>", "ENC": "enc.>", "PLAIN": "plain.>"}[name]
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	publish(ctx, t, js)
	key := filepath.Join(t.TempDir(), "key.jwk")
	if err := os.WriteFile(key, streamcrypt(ctx, t, "keygen", "local"), 0o600); err != nil {
		t.Fatal(err)
	}
	streamcrypt(ctx, t, "encrypt", "--key", "local:"+key, "--bind", "header:Tenant",
		"--from", url+"/ORDERS?consumer=enc&until=latest", "--to", url+"/ENC?subject=enc.>")
	streamcrypt(ctx, t, "verify", "--key", "local:"+key, "--bind", "header:Tenant", "--from", url+"/ENC?until=latest")
	streamcrypt(ctx, t, "decrypt", "--key", "local:"+key, "--bind", "header:Tenant",
		"--from", url+"/ENC?consumer=dec&until=latest", "--to", url+"/PLAIN?subject=plain.>&strip=enc")
	compare(ctx, t, js)
}

// startNATS starts a server in a container, and connects to it.
func startNATS(ctx context.Context, t *testing.T) (url string, js jetstream.JetStream) {
	t.Helper()
	needEngine(t)
	server, err := tcnats.Run(ctx, "nats:2-alpine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Terminate(context.Background()) })
	if url, err = server.ConnectionString(ctx); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return url, js
}

// publish fills ORDERS with messages of many sizes, subjects and headers, empty
// ones among them.
func publish(ctx context.Context, t *testing.T, js jetstream.JetStream) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(3, 4))
	pending := make([]jetstream.PubAckFuture, 0, 1000)
	for i := range messages {
		m := nats.NewMsg(fmt.Sprintf("orders.%d", i%7))
		size := rnd.IntN(400)
		if i%997 == 0 {
			size = rnd.IntN(200_000)
		}
		m.Data = make([]byte, size)
		for j := range m.Data {
			m.Data[j] = byte(rnd.Uint32())
		}
		if i%3 == 0 {
			m.Header.Set("Tenant", fmt.Sprint("t", i%5))
			m.Header["Trace"] = []string{"one", "", "one"}
		}
		future, err := js.PublishMsgAsync(m)
		if err != nil {
			t.Fatal(err)
		}
		if pending = append(pending, future); len(pending) == cap(pending) || i == messages-1 {
			awaitAcks(ctx, t, pending)
			pending = pending[:0]
		}
	}
}

// awaitAcks waits until messages are stored.
func awaitAcks(ctx context.Context, t *testing.T, sent []jetstream.PubAckFuture) {
	t.Helper()
	for _, ack := range sent {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			t.Fatal(err)
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		case <-time.After(patience):
			t.Fatal("no acknowledgement")
		}
	}
}

// countMessages returns how many messages a stream has.
func countMessages(ctx context.Context, t *testing.T, js jetstream.JetStream, stream string) int {
	t.Helper()
	s, err := js.Stream(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	return int(s.CachedInfo().State.Msgs)
}

// compare reads ORDERS and PLAIN side by side.
func compare(ctx context.Context, t *testing.T, js jetstream.JetStream) {
	t.Helper()
	was, is, sealed := read(ctx, t, js, "ORDERS"), read(ctx, t, js, "PLAIN"), read(ctx, t, js, "ENC")
	differ := 0
	for i := range messages {
		a, b, c := next(t, was), next(t, is), next(t, sealed)
		if string(c.Data()) == string(a.Data()) {
			t.Fatalf("message %d is not encrypted", i+1)
		}
		if string(a.Data()) != string(b.Data()) || "plain."+a.Subject() != b.Subject() || !sameHeaders(a, b) {
			if differ++; differ <= 5 {
				t.Errorf("message %d: %s %v, %d bytes became %s %v, %d bytes",
					i+1, a.Subject(), a.Headers(), len(a.Data()), b.Subject(), b.Headers(), len(b.Data()))
			}
		}
	}
	if differ > 0 {
		t.Errorf("%d of %d differ", differ, messages)
	}
	for _, name := range []string{"ENC", "PLAIN"} {
		if n := countMessages(ctx, t, js, name); n != messages {
			t.Errorf("%s: %d messages, want %d", name, n, messages)
		}
	}
}

// sameHeaders compares all headers but the one that makes publishing
// idempotent, which each hop has of its own.
func sameHeaders(a, b jetstream.Msg) bool {
	x, y := map[string][]string{}, map[string][]string{}
	for from, to := range map[*map[string][]string]nats.Header{&x: a.Headers(), &y: b.Headers()} {
		for name, values := range to {
			if name != jetstream.MsgIDHeader {
				(*from)[name] = values
			}
		}
	}
	return reflect.DeepEqual(x, y)
}

func read(ctx context.Context, t *testing.T, js jetstream.JetStream, stream string) jetstream.MessagesContext {
	t.Helper()
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	it, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(it.Stop)
	return it
}

func next(t *testing.T, it jetstream.MessagesContext) jetstream.Msg {
	t.Helper()
	m, err := it.Next(jetstream.NextMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
