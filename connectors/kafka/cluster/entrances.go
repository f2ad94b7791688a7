package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// clusterAddress is the address that the transport has of the cluster. A
// connection to it may lead to any broker: entrances chooses. The transport
// opens one for requests that any broker can answer, and to refresh its list of
// brokers.
type clusterAddress struct{}

// The networks of the addresses that the transport dials.
const (
	clusterNetwork = "cluster"
	brokerNetwork  = "tcp"
)

// Network implements net.Addr.
func (clusterAddress) Network() string { return clusterNetwork }

// String implements net.Addr. The transport would split a text with commas.
func (clusterAddress) String() string { return "any" }

// entrances are the addresses by which the cluster is reached where any broker
// will do: those that the configuration names, and those of the brokers that
// the last metadata named. The configuration may name a single broker: while
// that one is away, the others tell the transport which brokers there are.
type entrances struct {
	configured []string
	log        *slog.Logger

	mu        sync.Mutex
	clusterID string // empty until it is known
	learned   []string
	failures  map[string]failures // by address
}

// failures are those of one address since its last success.
type failures struct {
	last      time.Time
	count     int
	elsewhere bool // it was said that the address leads into another cluster
}

// maxLearned bounds how many addresses are learned.
const maxLearned = 64

// firstShare is how long one address may take if there are others. The time
// doubles with each failure, since a broker may be slow without being away.
const firstShare = 3 * time.Second

// open connects to a broker of the cluster, beginning with an address that has
// never failed, or failed the longest time ago. The error is that of an address
// which the configuration names, or that of ctx.
func (e *entrances) open(
	ctx context.Context, connect func(ctx context.Context, address string) (net.Conn, error),
) (net.Conn, error) {
	var ofConfigured, ofLearned error
	choices := e.listChoices()
	for _, address := range choices {
		limited, cancel := ctx, context.CancelFunc(func() {})
		if len(choices) > 1 {
			limited, cancel = context.WithTimeout(ctx, e.shareOf(address))
		}
		conn, err := connect(limited, address)
		cancel()
		if err == nil {
			e.noteSuccess(address)
			return &entranceConn{Conn: conn, entrances: e, address: address}, nil
		}
		if slices.Contains(e.configured, address) {
			ofConfigured = err
		} else {
			ofLearned = err
		}
		if !errors.Is(ctx.Err(), context.Canceled) {
			e.noteFailure(address, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if ofConfigured != nil {
		return nil, ofConfigured
	}
	return nil, fmt.Errorf("%w (%w)", context.Cause(ctx), ofLearned)
}

// listChoices returns the addresses in the order in which they are tried. Those
// that never failed are in random order, so that clients spread over the
// brokers, and among them those that the configuration names come first.
func (e *entrances) listChoices() []string {
	choices := shuffled(e.configured)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, address := range shuffled(e.learned) {
		if !slices.Contains(choices, address) {
			choices = append(choices, address)
		}
	}
	slices.SortStableFunc(choices, func(a, b string) int {
		return e.failures[a].last.Compare(e.failures[b].last)
	})
	return choices
}

func shuffled(addresses []string) []string {
	mixed := slices.Clone(addresses)
	rand.Shuffle(len(mixed), func(i, k int) { mixed[i], mixed[k] = mixed[k], mixed[i] })
	return mixed
}

// shareOf returns how long an address may take.
func (e *entrances) shareOf(address string) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	share := firstShare
	for range e.failures[address].count {
		if share *= 2; share >= dialTimeout {
			return dialTimeout
		}
	}
	return share
}

func (e *entrances) noteSuccess(address string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.failures, address)
}

// noteFailure notes that an address does not lead to a broker of the cluster.
// One that leads into another cluster is in the log, once until its next
// success: nobody may notice otherwise, as long as others lead to ours.
func (e *entrances) noteFailure(address string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failures == nil {
		e.failures = make(map[string]failures)
	}
	f := e.failures[address]
	f.last, f.count = time.Now(), f.count+1
	if errors.Is(err, dial.ErrOtherCluster) && !f.elsewhere {
		f.elsewhere = true
		e.log.Warn("kafka: an address leads into another cluster, and is not used",
			"cluster", e.clusterID, "error", err)
	}
	e.failures[address] = f
}

// learn notes the brokers that metadata names. It is false if they are those of
// another cluster than before. They are not noted then.
func (e *entrances) learn(m *wire.Metadata) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clusterID == "" {
		e.clusterID = m.ClusterID
	}
	if m.ClusterID != e.clusterID {
		return false
	}
	var learned []string
	for i := range m.Brokers {
		b := &m.Brokers[i]
		if len(learned) < maxLearned && b.Host != "" && b.Port > 0 && b.Port < 1<<16 {
			learned = append(learned, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))))
		}
	}
	if len(learned) == 0 {
		return true
	}
	e.learned = learned
	for address := range e.failures {
		if !slices.Contains(e.configured, address) && !slices.Contains(learned, address) {
			delete(e.failures, address)
		}
	}
	return true
}

// knownID returns the cluster's id; empty if it is not known yet, or the
// brokers have none.
func (e *entrances) knownID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.clusterID
}

// entranceConn notes that its broker does not answer any more, so that the next
// connection leads to another one.
type entranceConn struct {
	net.Conn
	entrances *entrances
	address   string
}

// Read implements net.Conn.
func (c *entranceConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.entrances.noteFailure(c.address, err)
	}
	return n, err
}
