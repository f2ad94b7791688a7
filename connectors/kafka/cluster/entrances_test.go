package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// stoppable dials brokers, of which one can be stopped: it accepts connections
// and what is sent, and answers nothing.
type stoppable struct {
	address string
	stopped atomic.Bool
}

func (s *stoppable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || address != s.address {
		return conn, err
	}
	return &stoppedConn{Conn: conn, broker: s}, nil
}

type stoppedConn struct {
	net.Conn
	broker *stoppable
}

func (c *stoppedConn) Write(b []byte) (int, error) {
	if c.broker.stopped.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// TestConfiguredBrokerStops: the only broker that the configuration names does
// not answer any more, and another one comes back. Requests reach that one.
func TestConfiguredBrokerStops(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(3))
	if err := b.RemoveNode(2); err != nil {
		t.Fatal(err)
	}
	named := &stoppable{address: b.ListenAddrs()[0]}
	c, err := Connect(t.Context(), Options{Brokers: []string{named.address}, Dial: named.dial, Log: silent})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(ctx context.Context, broker int32) error {
		return c.RetryCall(ctx, "metadata", func(ctx context.Context) error {
			_, err := c.wire.Metadata(ctx, broker)
			return err
		})
	}
	if err := ask(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	named.stopped.Store(true)
	if _, _, err := b.AddNode(2, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	before := time.Now()
	if err := ask(ctx, 2); err != nil {
		t.Errorf("the broker that came back: %v", err)
	}
	t.Logf("reached after %v", time.Since(before))
}

// TestEntranceOrder: the address that failed the longest time ago comes first,
// and one that does not answer leaves time for the next.
func TestEntranceOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &entrances{configured: []string{"a:1"}}
		e.learn(metadataOf("one", "a:1", "b:2", "c:3"))
		away := map[string]bool{"a:1": true}
		var tried []string
		open := func() (string, time.Duration) {
			tried = nil
			before := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), dialTimeout)
			defer cancel()
			conn, err := e.open(ctx, func(ctx context.Context, address string) (net.Conn, error) {
				tried = append(tried, address)
				if away[address] {
					<-ctx.Done()
					return nil, fmt.Errorf("%s: %w", address, context.Cause(ctx))
				}
				client, _ := net.Pipe()
				return client, nil
			})
			if err != nil {
				return err.Error(), time.Since(before)
			}
			defer conn.Close()
			return conn.(*entranceConn).address, time.Since(before)
		}
		if got, took := open(); tried[0] != "a:1" || got == "a:1" || took != firstShare {
			t.Errorf("tried %v within %v", tried, took)
		}
		if got, took := open(); got == "a:1" || len(tried) != 1 || took != 0 {
			t.Errorf("then tried %v within %v", tried, took)
		}
		away["b:2"], away["c:3"] = true, true
		if got, took := open(); took != dialTimeout || len(tried) != 3 || tried[2] != "a:1" ||
			got != "a:1: context deadline exceeded" {
			t.Errorf("all away: %s, tried %v within %v", got, tried, took)
		}
		first := tried[0]
		delete(away, first)
		if got, took := open(); got != first || took != 0 {
			t.Errorf("one is back: %s, tried %v within %v", got, tried, took)
		}
	})
}

// TestSilentEntrance: a connection whose broker does not answer in time is not
// followed by another one to the same broker.
func TestSilentEntrance(t *testing.T) {
	t.Parallel()
	e := &entrances{configured: []string{"a:1"}}
	e.learn(metadataOf("one", "b:2"))
	open := func() net.Conn {
		conn, err := e.open(t.Context(), func(context.Context, string) (net.Conn, error) {
			client, server := net.Pipe()
			t.Cleanup(func() { client.Close(); server.Close() })
			return client, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	first := open().(*entranceConn)
	if err := first.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Fatal("an answer came")
	}
	if second := open().(*entranceConn); first.address != "a:1" || second.address != "b:2" {
		t.Errorf("first %s, then %s", first.address, second.address)
	}
}

// TestLearnedAddresses: only possible addresses of the same cluster are
// learned, and not too many.
func TestLearnedAddresses(t *testing.T) {
	t.Parallel()
	e := &entrances{configured: []string{"a:1"}}
	if !e.learn(metadataOf("one", "b:2", "[::1]:3")) || !slices.Equal(e.learned, []string{"b:2", "[::1]:3"}) {
		t.Errorf("learned: %v", e.learned)
	}
	e.noteFailure("a:1", io.EOF)
	e.noteFailure("b:2", io.EOF)
	if e.learn(metadataOf("two", "d:4")) || len(e.learned) != 2 {
		t.Errorf("learned from another cluster: %v", e.learned)
	}
	m := metadataOf("one", "c:3")
	m.Brokers = append(m.Brokers, wire.Broker{Port: 9}, wire.Broker{Host: "d"}, wire.Broker{Host: "d", Port: -1},
		wire.Broker{Host: "d", Port: 1 << 16})
	if !e.learn(m) || !slices.Equal(e.learned, []string{"c:3"}) || len(e.failures) != 1 {
		t.Errorf("learned: %v, failures: %v", e.learned, e.failures)
	}
	m.Brokers = nil
	if !e.learn(m) || len(e.learned) != 1 {
		t.Errorf("learned from nothing: %v", e.learned)
	}
	for range 10 * maxLearned {
		m.Brokers = append(m.Brokers, wire.Broker{Host: "d", Port: 4})
	}
	if !e.learn(m) || len(e.learned) != maxLearned {
		t.Errorf("%d addresses are learned", len(e.learned))
	}
}

func metadataOf(clusterID string, addresses ...string) *wire.Metadata {
	m := &wire.Metadata{ClusterID: clusterID}
	for i, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			panic(err)
		}
		m.Brokers = append(m.Brokers, wire.Broker{ID: int32(i), Host: host, Port: int32(port[0] - '0')})
	}
	return m
}
