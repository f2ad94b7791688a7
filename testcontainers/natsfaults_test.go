package testcontainers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	tcnats "github.com/testcontainers/testcontainers-go/modules/nats"
)

// natsFaults is how many faults TestNATSFaults makes; make faults-nats asks for
// more.
func natsFaults(t *testing.T) (faults int, seed uint64) {
	t.Helper()
	faults, seed = 6, 1
	for name, set := range map[string]func(int){
		"NATS_FAULTS": func(n int) { faults = n }, "NATS_FAULTS_SEED": func(n int) { seed = uint64(n) },
	} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("%s=%q is no number", name, text)
			}
			set(n)
		}
	}
	return faults, seed
}

// natsRoute is a route of two processes, of which one waits for the other, and
// messages that never cease.
type natsRoute struct {
	t         *testing.T
	url, key  string
	js        jetstream.JetStream
	processes [2]*process
	published int
}

const natsKeys = 20

// TestNATSFaults kills, stops and continues processes at random moments, and
// deletes their consumer. Afterwards the sealed stream has every message once,
// in the order of the source, and the newest value of each subject is its last
// one.
func TestNATSFaults(t *testing.T) {
	needEngine(t)
	faults, seed := natsFaults(t)
	t.Logf("%d faults, NATS_FAULTS_SEED=%d", faults, seed)
	rnd := rand.New(rand.NewPCG(seed, 7))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Duration(faults)*time.Minute)
	defer cancel()
	r := openNATSRoute(ctx, t)
	for i := range r.processes {
		r.begin(i)
	}
	for n := range faults {
		r.publish(ctx, 500+rnd.IntN(3000))
		time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond) // the moment of the fault, from the seed
		victim := rnd.IntN(2)
		fault := rnd.IntN(6)
		if n < 3 {
			fault = []int{0, 4, 5}[n] // every kind at least once
		}
		switch {
		case fault < 4:
			t.Logf("fault %d: kill -9 of process %d", n, victim)
			r.processes[victim].kill(t)
			r.begin(victim)
		case fault == 4:
			t.Logf("fault %d: process %d is stopped past its lease, and continued", n, victim)
			r.signal(victim, syscall.SIGSTOP)
			r.publish(ctx, 2000)
			time.Sleep(12 * time.Second)
			r.signal(victim, syscall.SIGCONT)
		default:
			t.Logf("fault %d: the consumer is deleted", n)
			if err := r.js.DeleteConsumer(ctx, "ORDERS", "enc"); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.publish(ctx, 1000)
	r.awaitSealed(ctx)
	for _, p := range r.processes {
		p.end(t)
	}
	r.check(ctx)
}

func openNATSRoute(ctx context.Context, t *testing.T) *natsRoute {
	t.Helper()
	server, err := tcnats.Run(ctx, "nats:2-alpine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Terminate(context.Background()) })
	r := &natsRoute{t: t, key: filepath.Join(t.TempDir(), "key.jwk")}
	if r.url, err = server.ConnectionString(ctx); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(r.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if r.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"ORDERS": "orders.>", "ENC": "enc.>"} {
		cfg := jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Duplicates: 10 * time.Minute}
		if _, err := r.js.CreateStream(ctx, cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(r.key, streamcrypt(ctx, t, "keygen", "local"), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// begin starts process i. Both have the same arguments but their name.
func (r *natsRoute) begin(i int) {
	r.t.Helper()
	r.processes[i] = start(r.t, "encrypt", "--key", "local:"+r.key, "--instance", fmt.Sprint("i", i), "--progress", "none",
		"--from", r.url+"/ORDERS?consumer=enc&ack-wait=10s", "--to", r.url+"/ENC?subject=enc.>&strip=orders")
}

func (r *natsRoute) signal(i int, s syscall.Signal) {
	r.t.Helper()
	if err := r.processes[i].cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// publish publishes n more messages, each with its number.
func (r *natsRoute) publish(ctx context.Context, n int) {
	r.t.Helper()
	pending := make([]jetstream.PubAckFuture, n)
	for i := range pending {
		subject := fmt.Sprintf("orders.k%d", r.published%natsKeys)
		future, err := r.js.PublishAsync(subject, fmt.Appendf(nil, "%08d", r.published))
		if err != nil {
			r.t.Fatal(err)
		}
		pending[i] = future
		r.published++
	}
	for _, f := range pending {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			r.t.Fatal(err)
		case <-ctx.Done():
			r.t.Fatal(ctx.Err())
		}
	}
}

// awaitSealed waits until the consumer has acknowledged everything.
func (r *natsRoute) awaitSealed(ctx context.Context) {
	r.t.Helper()
	for {
		consumer, err := r.js.Consumer(ctx, "ORDERS", "enc")
		if err == nil && consumer.CachedInfo().AckFloor.Stream >= uint64(r.published) {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			r.t.Fatalf("the route does not come to its end: %v", err)
		}
	}
}

// check reads the sealed stream. It decrypts to a file without a Gate's help:
// the count comes from the stream itself.
func (r *natsRoute) check(ctx context.Context) {
	r.t.Helper()
	stream, err := r.js.Stream(ctx, "ENC")
	if err != nil {
		r.t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != uint64(r.published) {
		r.t.Errorf("%d messages are sealed, %d were published", n, r.published)
	}
	out := filepath.Join(r.t.TempDir(), "out.ndjson")
	streamcrypt(ctx, r.t, "decrypt", "--key", "local:"+r.key, "--from", r.url+"/ENC?until=latest", "--to", "file:"+out)
	text, err := os.ReadFile(out)
	if err != nil {
		r.t.Fatal(err)
	}
	next := 0
	for line := range bytes.Lines(text) {
		var record struct{ Value string }
		if err := json.Unmarshal(line, &record); err != nil {
			r.t.Fatal(err)
		}
		if want := fmt.Sprintf("%08d", next); record.Value != want {
			r.t.Fatalf("message %d is %s: lost, doubled or out of order", next, record.Value)
		}
		next++
	}
	if next != r.published {
		r.t.Errorf("%d messages came out, %d were published", next, r.published)
	}
}
