package wire

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// Acks is who must have a batch before the broker answers.
type Acks int16

// There is no zero: a broker that does not answer cannot say what went wrong.
const (
	AllReplicas Acks = -1 // all replicas that are in sync
	LeaderOnly  Acks = 1
)

// ProduceRequest writes one batch to each of many partitions of one leader.
type ProduceRequest struct {
	Broker          int32
	TransactionalID string // empty outside transactions
	// Adding has the leader add the partitions to the transaction (KIP-890).
	// Without, they have been added by a request of their own.
	Adding bool
	Acks   Acks
	// Timeout is how long the broker waits for the replicas.
	Timeout    time.Duration
	Partitions []ProducePartition
	// Release, if not nil, is called exactly once, when neither the batches nor
	// the request are read any more: before Produce returns, or later from
	// another goroutine if ctx ended while the exchange was running. From then
	// on they may be changed, or sent again as they are.
	Release func()
	// Interrupter, if not nil, may end the exchange before its time: the error
	// matches ErrInterrupted then.
	Interrupter *Interrupter
}

// ProducePartition is a batch, as batch.Appender finished it.
type ProducePartition struct {
	Topic     string
	Partition int32
	Batch     []byte
}

// ProduceResponse is the answer.
type ProduceResponse struct {
	Throttle time.Duration
	// Partitions answer those of the request, one by one.
	Partitions []ProducedPartition
}

// ProducedPartition is what a broker answers for a batch.
type ProducedPartition struct {
	// Err is nil, a kafka.Error or ErrUnanswered.
	Err error
	// BaseOffset is the offset of the batch's first record; -1 if the broker
	// knows the batch already and has forgotten its offset.
	BaseOffset int64
	LogStart   int64
	// Refused are the indexes in the batch of the records that the broker does
	// not take, if Err is about single records and the broker names them. Then
	// no record of the batch is stored. The broker's words about them are not
	// kept: they may quote the record.
	Refused []int32
}

// Produce writes batches. An error is of the request as a whole, and then it is
// unknown whether batches were stored. When ctx ends it returns at once, see
// ProduceRequest.Release; the exchange takes at most the request's Timeout and
// the client's.
func (c *Client) Produce(ctx context.Context, request *ProduceRequest) (*ProduceResponse, error) {
	release := request.Release
	x := &exchange{
		api: protocol.Produce, version: produceVersion, release: release, interrupter: request.Interrupter,
	}
	if request.Adding {
		x.version = addingVersion
	}
	request.encode(x)
	left, err := c.do(ctx, x, toBroker(request.Broker), request.Timeout+c.Timeout)
	r := &ProduceResponse{}
	if err == nil {
		if err = r.decode(request, x.body); err != nil {
			err = &Error{API: protocol.Produce, Broker: request.Broker, Err: err}
		}
	}
	if !left && release != nil {
		release()
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// encode writes Produce version 8 or 12. The batches stay where they are.
func (p *ProduceRequest) encode(x *exchange) {
	e := &x.request
	e.flexible = p.Adding
	e.nullable(p.TransactionalID)
	e.int16(int16(p.Acks))
	e.int32(int32(p.Timeout / time.Millisecond))
	groups(e, len(p.Partitions), func(i int) string { return p.Partitions[i].Topic }, func(i int) {
		e.int32(p.Partitions[i].Partition)
		e.bytesLength(len(p.Partitions[i].Batch))
		x.insert(p.Partitions[i].Batch)
		e.tags()
	})
	e.tags()
}

// decode reads Produce version 8 or 12.
func (r *ProduceResponse) decode(request *ProduceRequest, b []byte) error {
	r.Partitions = refill(r.Partitions, len(request.Partitions), ProducedPartition{
		Err: ErrUnanswered, BaseOffset: -1, LogStart: -1,
	})
	find := finder{n: len(request.Partitions), name: func(i int) (string, int32) {
		return request.Partitions[i].Topic, request.Partitions[i].Partition
	}}
	d := decoder{b: b, flexible: request.Adding}
	for topics := d.array(3); topics > 0; topics-- {
		topic := d.raw()
		for n := d.array(32); n > 0; n-- {
			i := find.index(&d, topic, d.int32())
			if d.bad {
				break
			}
			p := &r.Partitions[i]
			p.Err = codeError(d.int16())
			p.BaseOffset = d.int64()
			d.int64() // append time
			p.LogStart = d.int64()
			for errors := d.array(5); errors > 0; errors-- {
				p.Refused = append(p.Refused, d.int32())
				d.raw() // words, which may quote the record
				d.tags()
			}
			d.raw()
			d.tags() // the leader that the broker knows of
		}
		d.tags()
	}
	r.Throttle = time.Duration(d.int32()) * time.Millisecond
	d.tags() // where brokers are
	return d.end()
}
