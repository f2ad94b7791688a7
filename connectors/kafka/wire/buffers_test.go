package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

var aa = bytes.Repeat([]byte{0xAA}, 64<<10)

// In tests nothing of a buffer survives its release.
func init() {
	poison = func(b []byte) {
		b = b[:cap(b)]
		for n := 0; n < len(b); n += copy(b[n:], aa) {
		}
	}
}

// rounds is how often lanes are cancelled: 1,000 times, or as
// TEST_STREAMCRYPT_ROUNDS says.
func rounds(t *testing.T) int {
	n := 1000
	if s := os.Getenv("TEST_STREAMCRYPT_ROUNDS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// round is one fetch of a lane.
type round struct {
	cancel context.CancelFunc
	over   chan struct{}
}

// canceller holds answers in the middle while lanes are cancelled.
type canceller struct {
	lanes [4]atomic.Pointer[round]
	held  atomic.Int32
	mu    sync.Mutex
	rand  *rand.Rand
}

func (c *canceller) intn(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}

// answer passes on half of an answer, cancels a lane, waits until its fetch has
// returned, and passes on the rest, into a buffer that nobody waits for any
// more.
func (c *canceller) answer(api int16, message []byte, to io.Writer) error {
	half := len(message)
	if api == int16(protocol.Fetch) && c.intn(2) == 0 {
		half = c.intn(len(message))
	}
	if _, err := to.Write(message[:half]); err != nil || half == len(message) {
		return err
	}
	if r := c.lanes[c.intn(len(c.lanes))].Load(); r != nil {
		r.cancel()
		<-r.over
		c.held.Add(1)
	}
	_, err := to.Write(message[half:])
	return err
}

// Lanes are cancelled in a loop while their answers are on the way. What
// arrives is whole: buffers are used by one exchange at a time, and by no
// exchange and a reader at once.
func TestBuffersUnderLiveExchanges(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1))
	content := fill(t, connect(t, k, nil), k)
	chaos := &canceller{rand: rand.New(rand.NewPCG(7, 8))}
	p := startProxy(t, chaos.answer)
	c := connect(t, k, func(tr *kafka.Transport) { tr.Dial = p.dial })
	n := rounds(t) / len(chaos.lanes)
	var lanes sync.WaitGroup
	var delivered, cancelled atomic.Int32
	for lane := range chaos.lanes {
		lanes.Go(func() {
			defer chaos.lanes[lane].Store(nil)
			for range n {
				ctx, cancel := context.WithCancel(t.Context())
				r := &round{cancel: cancel, over: make(chan struct{})}
				chaos.lanes[lane].Store(r)
				f := fetchOrders(k, false, int32(lane))
				f.Partitions[0].Offset = int64(chaos.intn(50))
				answer, err := c.Fetch(ctx, f)
				close(r.over)
				cancel()
				switch {
				case err == nil:
					delivered.Add(1)
					if err := verify(&answer.Partitions[0], content[lane]); err != nil {
						t.Errorf("lane %d: %v", lane, err)
					}
					answer.Release()
				case errors.Is(err, context.Canceled):
					cancelled.Add(1)
				default:
					t.Errorf("lane %d: %v", lane, err)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
	lanes.Wait()
	t.Logf("%d answers delivered, %d fetches cancelled, %d answers held, %d connections", delivered.Load(), cancelled.Load(), chaos.held.Load(), p.count())
	if delivered.Load() == 0 || cancelled.Load() == 0 || chaos.held.Load() == 0 {
		t.Error("the test did not test")
	}
	if int32(p.count()) > cancelled.Load()/2 {
		t.Errorf("%d connections: leaving an exchange must not cost one", p.count())
	}
}

// fill writes 50 batches to each partition and says what is in their values.
func fill(t *testing.T, c *Client, k *kfake.Cluster) (content [4][]byte) {
	t.Helper()
	for partition := range content {
		content[partition] = bytes.Repeat([]byte{byte('a' + partition)}, 700)
		for range 50 {
			var a batch.Appender
			a.Begin(nil)
			for range 3 {
				a.Append(&pipeline.Message{Value: content[partition]})
			}
			b, err := a.Finish(anonymous, nil)
			if err != nil {
				t.Fatal(err)
			}
			produce(t, c, k, int32(partition), b)
		}
	}
	return content
}

// verify reads every batch that was delivered, checksums included.
func verify(p *FetchedPartition, content []byte) error {
	if p.Err != nil {
		return p.Err
	}
	var r batch.Reader
	var into batch.Records
	r.Reset("orders", p.Records, 0)
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if _, err := r.Read(&into, math.MaxInt); err != nil {
			return err
		}
	}
	for i := range into.Messages {
		if !bytes.Equal(into.Messages[i].Value, content) {
			return fmt.Errorf("offset %d has another value", into.Messages[i].Origin.Offset)
		}
	}
	if len(into.Messages) < 3 {
		return fmt.Errorf("%d messages", len(into.Messages))
	}
	return nil
}

// A caller that leaves gets its batches back when the exchange is over, and not
// before.
func TestProduceReleasesOnce(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1))
	arrived, pass, stop := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(stop)
	p := startProxy(t, func(api int16, message []byte, to io.Writer) error {
		if api == int16(protocol.Produce) {
			select {
			case arrived <- struct{}{}:
			case <-stop:
			}
			select {
			case <-pass:
			case <-stop:
			}
		}
		_, err := to.Write(message)
		return err
	})
	c := connect(t, k, func(tr *kafka.Transport) { tr.Dial = p.dial })
	released := make(chan struct{}, 2)
	request := &ProduceRequest{
		Acks: AllReplicas, Timeout: 5 * time.Second, Release: func() { released <- struct{}{} },
		Partitions: []ProducePartition{{"orders", 0, batchOf(t, anonymous, "v")}},
	}
	left := func(want int, when string) {
		t.Helper()
		if len(released) != want {
			t.Errorf("%s: released %d times", when, len(released))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := c.Produce(ctx, request); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	left(0, "while the exchange runs")
	pass <- struct{}{}
	<-released
	left(0, "after the exchange")

	go func() {
		<-arrived
		pass <- struct{}{}
	}()
	if _, err := c.Produce(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	left(1, "answered")
	<-released

	request.Broker = 99
	if _, err := c.Produce(t.Context(), request); err == nil {
		t.Fatal("no error")
	}
	left(1, "never sent")
	<-released

	request.Broker = 0
	c.Timeout, request.Timeout = time.Millisecond, 0
	if _, err := c.Produce(t.Context(), request); !Retriable(err) {
		t.Error(err)
	}
	left(1, "deadline")
}

// Broker and network that do not answer cost the time of the deadline, and give
// everything back.
func TestDeadline(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1))
	stop := make(chan struct{})
	p := startProxy(t, func(api int16, message []byte, to io.Writer) error {
		if api == int16(protocol.Fetch) {
			<-stop
		}
		_, err := to.Write(message)
		return err
	})
	defer close(stop)
	c := connect(t, k, func(tr *kafka.Transport) { tr.Dial = p.dial })
	if _, err := c.Metadata(t.Context(), -1, "orders"); err != nil { // connected
		t.Fatal(err)
	}
	c.Timeout = 50 * time.Millisecond
	_, err := c.Fetch(t.Context(), fetchOrders(k, false, 0))
	if err == nil || !Retriable(err) {
		t.Error(err)
	}
	if len(c.idle.free) != 1 {
		t.Errorf("%d buffers in the pool", len(c.idle.free))
	}
}

func TestReleaseTwicePanics(t *testing.T) {
	r := &FetchResponse{client: New(&kafka.Transport{}, nil)}
	r.Release()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	r.Release()
}

func TestPoolIsBounded(t *testing.T) {
	var p pool
	for range 100 {
		p.put(&FetchResponse{exchange: exchange{buffer: make([]byte, 1<<20)}})
	}
	if len(p.free) != 32 || p.size != 32<<20 {
		t.Errorf("%d buffers, %d bytes", len(p.free), p.size)
	}
	for p.get() != nil {
	}
	if p.size != 0 {
		t.Errorf("%d bytes", p.size)
	}
}

// anonymous is the producer of a batch that is neither idempotent nor in a
// transaction.
var anonymous = batch.Producer{ID: -1, Epoch: -1, Sequence: -1}
