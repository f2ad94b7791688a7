package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
)

// TestInterruptDial: an exchange whose connection is not open yet is ended at
// once as well.
func TestInterruptDial(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1))
	silent, dialing := atomic.Bool{}, make(chan struct{}, 1)
	c := connect(t, k, func(tr *kafka.Transport) {
		tr.DialTimeout = time.Hour
		tr.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if !silent.Load() {
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			select {
			case dialing <- struct{}{}:
			default:
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	c.Timeout = time.Minute
	if _, err := c.Metadata(t.Context(), -1); err != nil {
		t.Fatal(err)
	}
	silent.Store(true)
	var i Interrupter
	go func() {
		<-dialing
		i.Interrupt()
	}()
	set := batchOf(t, batch.Producer{ID: -1, Epoch: -1, Sequence: -1}, "value")
	_, err := c.Produce(t.Context(), &ProduceRequest{
		Broker: k.LeaderFor("orders", 0), Acks: AllReplicas, Timeout: time.Second, Interrupter: &i,
		Partitions: []ProducePartition{{"orders", 0, set}},
	})
	if !errors.Is(err, ErrInterrupted) || !Retriable(err) {
		t.Error(err)
	}
}

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

	// kafka-go may give the answer before the connection is free, and opens
	// another one then.
	stored, reused := 0, false
	for range 20 {
		var after Interrupter
		if err := produce(&after); err != nil {
			t.Fatal(err)
		}
		after.Interrupt()
		dials := p.dialed()
		if err := produce(new(Interrupter)); err != nil {
			t.Errorf("after an exchange that was over: %v", err)
		}
		stored += 2
		if reused = p.dialed() == dials; reused {
			break
		}
	}
	if !reused {
		t.Error("after an exchange that was over its connection is not used")
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
	if n := len(values(t, &r.Partitions[0], false)); n != stored+2 {
		t.Errorf("%d records are stored", n) // that whose answer was held as well
	}
}
