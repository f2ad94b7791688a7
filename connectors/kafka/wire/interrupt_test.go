package wire

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
)

// TestInterrupt: an exchange whose answer does not come is ended at once, and
// its connection is used no more: the late answer would be taken for another
// one's. Before the exchange, Interrupt keeps it from beginning; after it,
// nothing happens.
func TestInterrupt(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1))
	holds, held, stop := atomic.Bool{}, make(chan struct{}, 1), make(chan struct{})
	p := startProxy(t, func(api int16, message []byte, to io.Writer) error {
		if api == int16(protocol.Produce) && holds.Load() {
			held <- struct{}{}
			<-stop
		}
		_, err := to.Write(message)
		return err
	})
	defer close(stop)
	c := connect(t, k, func(tr *kafka.Transport) { tr.Dial = p.dial })
	c.Timeout = time.Hour
	produce := func(i *Interrupter) error {
		set := batchOf(t, batch.Producer{ID: -1, Epoch: -1, Sequence: -1}, "value")
		r, err := c.Produce(t.Context(), &ProduceRequest{
			Broker: k.LeaderFor("orders", 0), Acks: AllReplicas, Timeout: time.Minute, Interrupter: i,
			Partitions: []ProducePartition{{"orders", 0, set}},
		})
		if err != nil {
			return err
		}
		return r.Partitions[0].Err
	}

	var after Interrupter
	if err := produce(&after); err != nil {
		t.Fatal(err)
	}
	after.Interrupt()
	dials := p.dialed()
	if err := produce(new(Interrupter)); err != nil || p.dialed() != dials {
		t.Errorf("after an exchange that was over: %v, %d dials more", err, p.dialed()-dials)
	}

	holds.Store(true)
	var within Interrupter
	go func() {
		<-held
		holds.Store(false)
		within.Interrupt()
	}()
	if err := produce(&within); !errors.Is(err, ErrInterrupted) || !Retriable(err) {
		t.Errorf("while the answer was held: %v", err)
	}
	if err := produce(new(Interrupter)); err != nil {
		t.Errorf("the next one: %v", err)
	}

	var before Interrupter
	before.Interrupt()
	if err := produce(&before); !errors.Is(err, ErrInterrupted) {
		t.Errorf("interrupted before: %v", err)
	}
	r, err := c.Fetch(t.Context(), fetchOrders(k, false, 0))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(values(t, &r.Partitions[0], false)); n != 4 {
		t.Errorf("%d records are stored", n) // that whose answer was held as well
	}
}
