package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// killedMessages is enough for a run to take longer than the waits before a
// kill.
const killedMessages = 20_000

func killedValue(i int) []byte { return fmt.Appendf(nil, "order %06d %0300d", i, i) }

// TestKilledBetweenBrokerAndFile kills runs with a checkpoint from a stream,
// and from a topic, into a file, at random moments. The run after the last
// kill leaves a file that has each message once, in order.
func TestKilledBetweenBrokerAndFile(t *testing.T) {
	t.Chdir(t.TempDir())
	carry(t, 0, "keygen", "local", "--out", "key.jwk")
	for name, from := range map[string]func(*testing.T) string{
		"stream without a consumer": func(t *testing.T) string { return fillStream(t) + "/ORDERS?until=latest" },
		"stream with a consumer":    func(t *testing.T) string { return fillStream(t) + "/ORDERS?until=latest&consumer=enc&ack-wait=2s" },
		"topic without a group":     func(t *testing.T) string { return fillTopic(t) + "/orders?until=latest" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			carryIn(t, dir, 0, "keygen", "local", "--out", "key.jwk")
			command := []string{"encrypt", "--key", "local:key.jwk", "--from", from(t), "--to", "file:out.scx", "--checkpoint", "ck", "--rate", "2MB/s"}
			r := rand.New(rand.NewPCG(3, 4))
			for range countRepeats(20) {
				carryIn(t, dir, time.Duration(100+r.IntN(300))*time.Millisecond, command...)
			}
			carryIn(t, dir, 0, command...)
			carryIn(t, dir, 0, "decrypt", "--key", "local:key.jwk", "--from", "file:out.scx", "--to", "file:out.ndjson")
			text, err := os.ReadFile(filepath.Join(dir, "out.ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			if len(lines) != killedMessages {
				t.Errorf("%d messages, not %d", len(lines), killedMessages)
			}
			for i, line := range lines[:min(len(lines), killedMessages)] {
				if !strings.Contains(line, fmt.Sprintf("order %06d ", i)) {
					t.Fatalf("line %d: %.60s", i, line)
				}
			}
		})
	}
}

// fillStream starts a server with a stream of messages, and returns its URL.
func fillStream(t *testing.T) string { return putStream(t, killedMessages, killedValue) }

// putStream is fillStream with n messages of these values.
func putStream(t *testing.T, n int, value func(int) []byte) string {
	t.Helper()
	url, js := startNATS(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders"}}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := js.PublishAsync("orders", value(i), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		t.Fatal("not published")
	}
	return url
}

// fillTopic starts a broker with a topic of messages, and returns its URL.
func fillTopic(t *testing.T) string { return putTopic(t, killedMessages, killedValue) }

// putTopic is fillTopic with n messages of these values. They are stored as
// they are: compressed, all of them come with one fetch.
func putTopic(t *testing.T, n int, value func(int) []byte) string {
	t.Helper()
	address := startKafka(t, kfake.SeedTopics(1, "orders"))
	c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("orders"),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Value: value(i)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return "kafka://" + address
}
