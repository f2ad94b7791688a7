package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// TestEntranceToAnotherCluster: an address leads into another cluster by now.
func TestEntranceToAnotherCluster(t *testing.T) {
	t.Parallel()
	ours, other := startBroker(t, kfake.ClusterID("ours")), startBroker(t, kfake.ClusterID("other"))
	c, err := Connect(t.Context(), Options{Brokers: ours.ListenAddrs(), Log: silent})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, tc := range []struct {
		network, address string
		want             error
	}{
		{clusterNetwork, "any", nil},
		{brokerNetwork, ours.ListenAddrs()[0], nil},
		{brokerNetwork, other.ListenAddrs()[0], dial.ErrOtherCluster},
	} {
		conn, err := c.dialAddress(t.Context(), tc.network, tc.address)
		if !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v", tc, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// switchboard dials addresses under names that can be changed, as DNS does.
type switchboard struct {
	mu    sync.Mutex
	leads map[string]string // from the name
}

func (s *switchboard) point(name, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leads[name] = address
}

func (s *switchboard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	to, ok := s.leads[address]
	s.mu.Unlock()
	if !ok {
		to = address
	}
	return new(net.Dialer).DialContext(ctx, network, to)
}

// TestClusterMovesAway: the configured address leads into another cluster, and
// then those of the brokers do as well. No request goes there: they are tried
// again until an address leads back.
func TestClusterMovesAway(t *testing.T) {
	t.Parallel()
	ours, other := startBroker(t, kfake.ClusterID("ours")), startBroker(t, kfake.ClusterID("other"))
	const named = "kafka.prod:9092"
	broker, away := ours.ListenAddrs()[0], other.ListenAddrs()[0]
	board := &switchboard{leads: map[string]string{named: broker}}
	var log lockedLog
	seen := &firstRetry{}
	c, err := Connect(t.Context(), Options{
		Brokers: []string{named}, Dial: board.dial, Log: slog.New(slog.NewTextHandler(&log, nil)), Observer: seen,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(broker int32) string {
		var id string
		err := c.RetryCall(t.Context(), "metadata", func(ctx context.Context) error {
			m, err := c.wire.Metadata(ctx, broker)
			if err == nil {
				id = m.ClusterID
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return id
	}
	board.point(named, away)
	c.transport.CloseIdleConnections() // as a broker does that is restarted
	for _, to := range []int32{-1, 0} {
		if id := ask(to); id != "ours" {
			t.Errorf("broker %d: the cluster that answers is %q", to, id)
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), named) ||
		!strings.Contains(log.String(), dial.ErrOtherCluster.Error()) {
		t.Errorf("%d warnings: %s", n, log.String())
	}
	for _, to := range []int32{-1, 0} {
		if to >= 0 {
			board.point(named, broker) // the list of brokers needs a way
		}
		board.point(broker, away)
		seen.expect(func(err error) {
			if !errors.Is(err, dial.ErrOtherCluster) {
				t.Errorf("broker %d: %v", to, err)
			}
			board.point(broker, broker)
		})
		c.transport.CloseIdleConnections()
		if id := ask(to); id != "ours" || seen.isExpected() {
			t.Errorf("broker %d: the cluster that answers is %q, and it was asked at once: %t", to, id, seen.isExpected())
		}
	}
}

// TestUnaskedConnection: a connection that was opened before the cluster's id
// was known leads into another cluster. Its answer is refused, and it is not
// used any more.
func TestUnaskedConnection(t *testing.T) {
	t.Parallel()
	ours, other := startBroker(t, kfake.ClusterID("ours")), startBroker(t, kfake.ClusterID("other"))
	const named = "kafka.prod:9092"
	board := &switchboard{leads: map[string]string{named: other.ListenAddrs()[0]}}
	c, err := Connect(t.Context(), Options{Brokers: []string{named}, Dial: board.dial, Log: silent})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.entrances.mu.Lock()
	c.entrances.clusterID, c.entrances.learned = "ours", nil
	c.entrances.mu.Unlock()
	board.point(named, ours.ListenAddrs()[0])
	if _, err := c.AskMetadata(t.Context()); !errors.Is(err, dial.ErrOtherCluster) || JudgeError(err) != Again {
		t.Errorf("the answer of another cluster: %v", err)
	}
	err = c.RetryCall(t.Context(), "metadata", func(ctx context.Context) error {
		_, err := c.AskMetadata(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// firstRetry is an Observer of the next try.
type firstRetry struct {
	mu sync.Mutex
	do func(error)
}

func (f *firstRetry) expect(do func(error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.do = do
}

func (f *firstRetry) isExpected() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.do != nil
}

func (f *firstRetry) RetryRequest(_ string, err error) {
	f.mu.Lock()
	do := f.do
	f.do = nil
	f.mu.Unlock()
	if do != nil {
		do(err)
	}
}

// lockedLog is a text that several goroutines write.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
