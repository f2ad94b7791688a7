package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// network is a way to dial brokers that can lose answers, and be cut.
type network struct {
	// lose tells whether the answer to a request is lost, with its connection; may be nil.
	lose func(key kmsg.Key) bool
	// damage is what is changed wherever it turns up in an answer; nil for nothing.
	damage []byte

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		conn.Close()
		return nil, io.ErrClosedPipe
	}
	n.conns = append(n.conns, conn)
	return &lossy{Conn: conn, network: n}, nil
}

// unplug closes all connections and lets no new one come up: the process is as good as dead.
func (n *network) unplug() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = true
	for _, c := range n.conns {
		c.Close()
	}
}

// lossy is a connection of a client that has one request under way at a time. It knows where requests begin,
// since that is the first write after an answer.
type lossy struct {
	net.Conn
	network *network
	asking  bool // between the first write of a request and its answer
	losing  bool
}

func (c *lossy) Write(p []byte) (int, error) {
	if !c.asking && len(p) >= 6 && c.network.lose != nil {
		c.losing = c.network.lose(kmsg.Key(binary.BigEndian.Uint16(p[4:])))
	}
	c.asking = true
	return c.Conn.Write(p)
}

func (c *lossy) Read(p []byte) (int, error) {
	c.asking = false
	n, err := c.Conn.Read(p)
	if c.losing && err == nil { // the broker has done it, and nobody hears
		c.Conn.Close()
		return 0, io.EOF
	}
	if c.network.damage != nil {
		if i := bytes.Index(p[:n], c.network.damage); i >= 0 {
			p[i] ^= 1
		}
	}
	return n, err
}

// TestLostAnswers loses the answer to every seventh produce, and in transactions of other requests too. What is
// sent again must be stored once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		delivery Delivery
		keys     []kmsg.Key
	}{
		{"at least once", AtLeastOnce, []kmsg.Key{kmsg.Produce}},
		{"exactly once", ExactlyOnce, []kmsg.Key{kmsg.Produce}},
		{"whole transaction", ExactlyOnce, append(transactional, kmsg.InitProducerID, kmsg.FindCoordinator)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const n = 20_000
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, n))
			var produced, lost atomic.Int64
			lossy := &network{lose: func(key kmsg.Key) bool {
				for _, k := range test.keys {
					if k == key && produced.Add(1)%7 == 0 {
						lost.Add(1)
						return true
					}
				}
				return false
			}}
			c := b.connect(lossy.dial)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: test.delivery})
			err := finish(t, pipeline.Options{Source: src, Sink: sink, Workers: 4, ReadAhead: 32 << 10})
			if err != nil {
				t.Fatal(err)
			}
			if lost.Load() < 3 {
				t.Fatalf("%d answers were lost of %d", lost.Load(), produced.Load())
			}
			msgs := b.committed("out")
			if err := onceInOrder(msgs, n); err != nil {
				t.Error(err)
			}
			for i := range msgs {
				if test.delivery == AtLeastOnce && msgs[i].Origin.Offset != int64(i) {
					t.Fatalf("message %d is at offset %d", i, msgs[i].Origin.Offset)
				}
			}
		})
	}
}
