package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// network is a way to dial brokers that can lose answers, and be cut.
type network struct {
	// lose tells whether the answer to a request is lost, with its connection;
	// may be nil.
	lose func(key kmsg.Key) bool
	// damage is what is changed wherever it turns up in an answer; nil for
	// nothing.
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

// unplug closes all connections and lets no new one come up: the process is as
// good as dead.
func (n *network) unplug() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = true
	for _, c := range n.conns {
		c.Close()
	}
}

// lossy is a connection of a client that has one request under way at a time.
// It knows where requests begin, since that is the first write after an answer.
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

// TestLostAnswers loses the answer to every seventh produce, and in
// transactions of other requests too. What is sent again is what was sent, so
// that it is stored once.
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
			const n = 100_000
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, n))
			var asked, lost atomic.Int64
			lossy := &network{lose: func(key kmsg.Key) bool {
				if !slices.Contains(test.keys, key) || asked.Add(1)%7 != 0 {
					return false
				}
				if key == kmsg.Produce {
					lost.Add(1)
				}
				return true
			}}
			c := b.connect(lossy.dial)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: test.delivery})
			sent := b.produced()
			err := finish(t, pipeline.Options{Source: src, Sink: sink, Workers: 4, ReadAhead: 128 << 10})
			if err != nil {
				t.Fatal(err)
			}
			if lost.Load() < 5 {
				t.Fatalf("%d answers to a produce were lost, of %d", lost.Load(), asked.Load())
			}
			if again := sent.again(t); again != int(lost.Load()) {
				t.Errorf("%d answers to a produce were lost, and %d batches were sent again as they were", lost.Load(), again)
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

// stamps are the batches that a broker was sent for one partition, by one
// producer after the other.
type stamps struct {
	mu  sync.Mutex
	all []stamp
}

// stamp is what makes a batch known to the broker, and a checksum of all that
// it holds.
type stamp struct {
	producer       int64
	epoch          int16
	sequence       int32
	count, content int32
}

// produced notes the batches that arrive from now on.
func (b *broker) produced() *stamps {
	s := new(stamps)
	b.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		var raw kmsg.RecordBatch
		if err := raw.ReadFrom(req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records); err != nil {
			return nil, err, false
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all = append(s.all, stamp{raw.ProducerID, raw.ProducerEpoch, raw.FirstSequence, raw.NumRecords, raw.CRC})
		return nil, nil, false
	})
	return s
}

// again is how many batches were the one before once more. All others must
// follow on the one before, or begin.
func (s *stamps) again(t *testing.T) (n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.all); i++ {
		was, is := s.all[i-1], s.all[i]
		switch follows := was.sequence + was.count; {
		case is == was:
			n++
		case is.producer == was.producer && is.epoch == was.epoch && is.sequence == follows:
		case is.producer == was.producer && is.epoch > was.epoch && is.sequence == 0:
		default:
			t.Errorf("batch %d is %+v, and the one before was %+v", i, is, was)
		}
	}
	return n
}
