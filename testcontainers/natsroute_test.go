package testcontainers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsSink is a stream that a route of two processes writes: one owns the
// consumer, and the other waits.
type natsSink struct {
	stream, consumer string
	publish          string // mode
	processes        [2]*process
}

// natsRoutes are two routes from one stream: one sink keeps all messages, the
// other one the last of each subject. A publisher never ceases.
type natsRoutes struct {
	*testing.T
	*natsCluster
	nc      *nats.Conn
	js      jetstream.JetStream
	proxies []*natsProxy
	url     string // through the proxies
	key     string // URL
	with    []string
	sinks   []*natsSink
	ackWait time.Duration

	mu        sync.Mutex
	published int
	pause     sync.Mutex // held while nothing is to be published
	stop      context.CancelFunc
	publisher sync.WaitGroup
}

const (
	natsSource   = "ORDERS"
	natsAll      = "ENC"
	natsLast     = "LAST"
	natsStranger = "stranger"
	natsSubjects = 20
	// natsNumber is a header with the number of a message: headers are bound to
	// the envelope and not encrypted, so a reader needs no key to count.
	natsNumber = "Number"
)

// openNATSRoutes makes the streams. Processes begin with begin.
func openNATSRoutes(ctx context.Context, t *testing.T, nodes int) *natsRoutes {
	t.Helper()
	r := &natsRoutes{T: t, natsCluster: startNATSCluster(t, nodes), ackWait: 10 * time.Second}
	r.proxies = startNATSProxies(t, r.natsCluster)
	r.url = proxiesURL(r.proxies)
	r.nc = r.connect()
	var err error
	if r.js, err = jetstream.New(r.nc, jetstream.WithPublishAsyncTimeout(4*time.Second)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.jwk")
	if err := os.WriteFile(file, streamcrypt(ctx, t, "keygen", "local"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.key = "local:" + file
	for _, name := range []string{natsSource, natsAll, natsLast} {
		r.makeStream(ctx, name)
	}
	r.sinks = []*natsSink{
		{stream: natsAll, consumer: "all", publish: "auto"}, {stream: natsLast, consumer: "last", publish: "auto"},
	}
	return r
}

// makeStream makes one of the streams, as soon as the cluster can.
func (r *natsRoutes) makeStream(ctx context.Context, name string) {
	r.Helper()
	cfg := jetstream.StreamConfig{
		Name: name, Subjects: []string{strings.ToLower(name) + ".>"}, Replicas: min(3, len(r.nodes)),
		Duplicates: 10 * time.Minute, AllowDirect: true, AllowAtomicPublish: true, AllowBatchPublish: true,
	}
	switch name {
	case natsLast:
		cfg.MaxMsgsPerSubject = 1
	case natsAll:
		cfg.MaxMsgSize = 16 << 10 // large messages are sealed in parts
	}
	eventually(ctx, r.T, "stream "+name, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := r.js.CreateStream(ctx, cfg)
		return err
	})
}

// begin starts all processes and the publisher.
func (r *natsRoutes) begin(ctx context.Context) {
	for _, s := range r.sinks {
		for i := range s.processes {
			r.beginProcess(s, i)
		}
	}
	ctx, r.stop = context.WithCancel(ctx)
	r.publisher.Go(func() { r.publishAlways(ctx) })
	r.Cleanup(func() { r.stop(); r.publisher.Wait() })
}

// beginProcess starts one process of a route. Both have the same arguments but
// their name.
func (r *natsRoutes) beginProcess(s *natsSink, i int) {
	r.Helper()
	args := []string{
		"encrypt", "--key", r.key, "--instance", fmt.Sprint("i", i), "--progress", "none",
		"--from", fmt.Sprintf("%s/%s?consumer=%s&ack-wait=%s", r.url, natsSource, s.consumer, r.ackWait),
		"--to", fmt.Sprintf("%s/%s?subject=%s.>&strip=orders&publish=%s", r.url, s.stream, strings.ToLower(s.stream), s.publish),
	}
	s.processes[i] = start(r.T, append(args, r.with...)...)
}

// publishAlways publishes messages with rising numbers until ctx ends. Each is
// published until the stream has it.
func (r *natsRoutes) publishAlways(ctx context.Context) {
	for ctx.Err() == nil {
		r.pause.Lock()
		r.publishSome(ctx, 20)
		r.pause.Unlock()
		select {
		case <-time.After(50 * time.Millisecond): // a pace, so that a slow machine comes along
		case <-ctx.Done():
		}
	}
}

// publishSome publishes n messages and returns when the stream has them.
func (r *natsRoutes) publishSome(ctx context.Context, n int) {
	todo := make([]*nats.Msg, n)
	for i := range todo {
		number := r.count() + i
		m := nats.NewMsg(fmt.Sprintf("orders.k%d", number%natsSubjects))
		text := fmt.Sprintf("%08d", number)
		m.Data = []byte(valueOf(text))
		m.Header.Set(natsNumber, text)
		m.Header.Set(jetstream.MsgIDHeader, "n"+text)
		todo[i] = m
	}
	for len(todo) > 0 && ctx.Err() == nil {
		var again []*nats.Msg
		futures := make([]jetstream.PubAckFuture, len(todo))
		for i, m := range todo {
			futures[i], _ = r.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0)) // nil is published again
		}
		timeout := time.After(5 * time.Second)
		for i, f := range futures {
			if f == nil {
				again = append(again, todo[i])
				continue
			}
			select {
			case <-f.Ok():
				continue
			case <-f.Err():
			case <-timeout:
			case <-ctx.Done():
			}
			again = append(again, todo[i])
		}
		todo = again
	}
	if len(todo) == 0 {
		r.mu.Lock()
		r.published += n
		r.mu.Unlock()
	}
}

// valueOf is the value of the message with a number. Some are large.
func valueOf(number string) string {
	if strings.HasSuffix(number, "50") {
		return number + strings.Repeat("v", 40<<10)
	}
	return number
}

// count is how many messages the source has taken.
func (r *natsRoutes) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.published
}

// floor is the last message that a consumer has acknowledged.
func (r *natsRoutes) floor(ctx context.Context, s *natsSink) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	consumer, err := r.js.Consumer(ctx, natsSource, s.consumer)
	if err != nil {
		return 0, err
	}
	return consumer.CachedInfo().AckFloor.Stream, nil
}

// lastSequence is that of the source.
func (r *natsRoutes) lastSequence(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stream, err := r.js.Stream(ctx, natsSource)
	if err != nil {
		return 0, err
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// awaitFlow waits until both routes have acknowledged everything that is in the
// source now: after a fault they go on by themselves.
func (r *natsRoutes) awaitFlow(ctx context.Context) {
	r.Helper()
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	var last uint64
	eventually(ctx, r.T, "the source does not answer", func() (err error) {
		last, err = r.lastSequence(ctx)
		return err
	})
	for _, s := range r.sinks {
		eventually(ctx, r.T, "the route to "+s.stream+" does not go on", func() error {
			floor, err := r.floor(ctx, s)
			if err == nil && floor < last {
				err = fmt.Errorf("acknowledged up to %d of %d", floor, last)
			}
			return err
		})
	}
}

// end stops the publisher, waits until all is sealed, and ends the processes.
func (r *natsRoutes) end(ctx context.Context) {
	r.Helper()
	r.stop()
	r.publisher.Wait()
	r.awaitFlow(ctx)
	for _, s := range r.sinks {
		for _, p := range s.processes {
			p.end(r.T)
		}
	}
}
