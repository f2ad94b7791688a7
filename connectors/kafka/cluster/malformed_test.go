package cluster

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// strangers dials a load balancer which answers by itself while no broker
// behind it is ready.
type strangers struct {
	left atomic.Int64 // connections that it still answers by itself
}

func (s *strangers) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.left.Add(-1) < 0 {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		if _, err := server.Read(make([]byte, 1<<10)); err == nil {
			_, _ = io.WriteString(server, "HTTP/1.1 503 Service Unavailable\r\n\r\n")
		}
	}()
	return client, nil
}

// TestStrangerAnswers: an answer that is none of Kafka's ends a start at once,
// since the port may be a wrong one. Once the program runs, the next connection
// may lead to a broker again.
func TestStrangerAnswers(t *testing.T) {
	t.Parallel()
	b, balancer := startBroker(t), &strangers{}
	o := Options{Brokers: b.ListenAddrs(), Dial: balancer.dial, Log: silent}
	c, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	seen := &firstRetry{}
	c.options.Observer = seen
	seen.expect(func(err error) {
		if !errors.Is(err, dial.ErrMalformed) {
			t.Error(err)
		}
		balancer.left.Store(0)
	})
	balancer.left.Store(1 << 30)
	c.transport.CloseIdleConnections()
	err = c.RetryCall(t.Context(), "metadata", func(ctx context.Context) error {
		_, err := c.AskMetadata(ctx)
		return err
	})
	if err != nil || seen.isExpected() {
		t.Errorf("while it runs: %v, and it was asked at once: %t", err, seen.isExpected())
	}

	balancer.left.Store(1 << 30)
	before := time.Now()
	if c, err := Connect(t.Context(), o); !errors.Is(err, dial.ErrMalformed) {
		t.Errorf("at the start: %v", err)
		if err == nil {
			c.Close()
		}
	}
	if time.Since(before) > connectPatience/2 {
		t.Error("at the start it was tried again")
	}
}
