package wire

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
)

// FetchRequest asks one broker for the records of many partitions. Nothing of
// it is used after Fetch returns.
type FetchRequest struct {
	Broker int32 // the partitions' leader, or the replica that it preferred
	// MaxWait is how long the broker waits for MinBytes.
	MaxWait  time.Duration
	MinBytes int
	// MaxBytes bounds the answer's records; a first batch that is larger comes
	// whole all the same.
	MaxBytes  int
	Committed bool   // read_committed: nothing behind the last stable offset, and a list of what was aborted
	Rack      string // ours, so that the leader can name a replica in it
	// Partitions are served in this order until MaxBytes is reached.
	Partitions []FetchPartition
}

// FetchPartition is where to read.
type FetchPartition struct {
	Topic     string
	Partition int32
	Offset    int64
	// LeaderEpoch lets the broker refuse a reader whose metadata is old; -1 if
	// it is unknown.
	LeaderEpoch int32
	// MaxBytes must hold the topic's largest batch: only the first partition of
	// a request that has data gets a whole batch in any case.
	MaxBytes int
}

// FetchResponse is the answer. It, its slices and the records are valid until
// Release.
type FetchResponse struct {
	// Throttle is how long the broker asks not to be asked again, for a quota.
	Throttle time.Duration
	// Partitions answer those of the request, one by one.
	Partitions []FetchedPartition

	aborted  []batch.Aborted
	released atomic.Bool
	exchange exchange
	client   *Client
}

// FetchedPartition is what a broker answers for a partition.
type FetchedPartition struct {
	// Err is nil, a kafka.Error or ErrUnanswered.
	Err error
	// HighWatermark is the offset behind the last record that can be read,
	// LastStable with Committed, LogStart that of the first one. They are -1 if
	// the broker does not say.
	HighWatermark, LastStable, LogStart int64
	// Preferred is the replica to read from instead; -1 if it is this one.
	Preferred int32
	// Aborted lists transactions that were taken back, for batch.Committed.
	Aborted []batch.Aborted
	// Records are batches, for batch.Reader; the last one may be cut.
	Records []byte
}

// Size is the memory that the answer pins, in bytes.
func (r *FetchResponse) Size() int { return cap(r.exchange.buffer) }

// Release gives the memory back. It may be called from any goroutine, and must
// be called once.
func (r *FetchResponse) Release() {
	if r.released.Swap(true) {
		panic("wire: FetchResponse released twice") // its next user would lose it
	}
	r.client.idle.put(r)
}

// Fetch asks for records. It returns a response to be released, or an error.
// When ctx ends it returns at once; the exchange then runs to its end by
// itself, at most MaxWait and the client's Timeout.
func (c *Client) Fetch(ctx context.Context, request *FetchRequest) (*FetchResponse, error) {
	r := c.idle.get()
	if r == nil {
		r = &FetchResponse{client: c, exchange: exchange{api: protocol.Fetch, version: fetchVersion}}
		r.exchange.release = r.Release
	}
	r.released.Store(false)
	x := &r.exchange
	x.request = encoder{b: x.request.b[:0]}
	request.encode(&x.request)
	left, err := c.do(ctx, x, toBroker(request.Broker), request.MaxWait+c.Timeout)
	if err == nil {
		if err = r.decode(request, x.body); err != nil {
			err = &Error{API: protocol.Fetch, Broker: request.Broker, Err: err}
		}
	}
	if err != nil {
		if !left {
			r.Release()
		}
		return nil, err
	}
	return r, nil
}

// encode writes Fetch version 11, without a fetch session.
func (f *FetchRequest) encode(e *encoder) {
	e.int32(-1) // we are no replica
	e.int32(int32(f.MaxWait / time.Millisecond))
	e.int32(int32(f.MinBytes))
	e.int32(int32(f.MaxBytes))
	e.bool(f.Committed)
	e.int32(0)  // session id
	e.int32(-1) // session epoch: none
	groups(e, len(f.Partitions), func(i int) string { return f.Partitions[i].Topic }, func(i int) {
		p := &f.Partitions[i]
		e.int32(p.Partition)
		e.int32(p.LeaderEpoch)
		e.int64(p.Offset)
		e.int64(-1) // log start offset, of followers
		e.int32(int32(p.MaxBytes))
	})
	e.array(0) // partitions that the session forgets
	e.string(f.Rack)
}

// decode reads Fetch version 11. Records and aborted lists are slices of the
// answer and of r.
func (r *FetchResponse) decode(request *FetchRequest, b []byte) error {
	d := decoder{b: b}
	r.Throttle = time.Duration(d.int32()) * time.Millisecond
	code := d.int16()
	d.int32() // session id
	r.Partitions = refill(r.Partitions, len(request.Partitions), FetchedPartition{
		Err: ErrUnanswered, HighWatermark: -1, LastStable: -1, LogStart: -1, Preferred: -1,
	})
	r.aborted = r.aborted[:0]
	find := finder{n: len(request.Partitions), name: func(i int) (string, int32) {
		return request.Partitions[i].Topic, request.Partitions[i].Partition
	}}
	for topics := d.array(6); topics > 0; topics-- {
		topic := d.raw()
		for n := d.array(42); n > 0; n-- {
			i := find.index(&d, topic, d.int32())
			if d.bad {
				break
			}
			r.partition(&d, &r.Partitions[i])
		}
	}
	if err := d.end(); err != nil {
		return err
	}
	return codeError(code)
}

func (r *FetchResponse) partition(d *decoder, p *FetchedPartition) {
	p.Err = codeError(d.int16())
	p.HighWatermark, p.LastStable, p.LogStart = d.int64(), d.int64(), d.int64()
	from := len(r.aborted)
	for n := d.array(16); n > 0; n-- {
		r.aborted = append(r.aborted, batch.Aborted{ProducerID: d.int64(), First: d.int64()})
	}
	p.Aborted = r.aborted[from:len(r.aborted):len(r.aborted)]
	p.Preferred = d.int32()
	p.Records = d.bytes()
}
