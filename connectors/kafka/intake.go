package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	// fetchWait is how long a broker holds a fetch that finds nothing. A lane that has more than one broker to
	// ask, because a leader has moved, asks them in turns and waits less.
	fetchWait       = 500 * time.Millisecond
	fetchWaitShared = 50 * time.Millisecond
	// replicaTime is how long a replica that the leader has named is read before the leader is asked again.
	replicaTime = 5 * time.Minute
	// missingTime is how long a topic may be unknown to the brokers before it counts as deleted.
	missingTime = 30 * time.Second
)

// intake reads the partitions of a lane, one fetch after the other. One goroutine uses it; batches are released
// by any.
type intake struct {
	topic    *cluster.Topic
	options  *SourceOptions
	maxBatch int // the largest batch that the topic takes, in bytes
	parts    []*partition

	first   int        // of parts, in the next request
	alone   *partition // the next request is for this one only; nil if it is not
	shared  bool       // the last request was to one of several brokers
	request wire.FetchRequest
	asked   []*partition // of the request
	current *fetched
	queue   []*partition // what current still has
	retry   *cluster.Retry
	missing time.Time // since when the topic is unknown

	held   *pipeline.Assignment
	trying *partition   // is parked, and is read again to be tried
	lent   atomic.Int64 // batches that were taken and not released

	buffered atomic.Bool // queue is not empty
	mu       sync.Mutex
	free     []*lent
}

// take returns what has been fetched, up to about limit bytes, or nil if there is nothing.
func (in *intake) take(limit int) *pipeline.Batch {
	if in.current == nil {
		return nil
	}
	b := in.get()
	full := false
	for len(in.queue) > 0 && !full {
		p := in.queue[0]
		before := p.next
		full = p.take(&b.records, limit)
		if p.next > before {
			b.batch.Ends = append(b.batch.Ends, pipeline.Position{Place: p.place, Next: p.next})
			if p == in.trying {
				b.batch.Starts = append(b.batch.Starts, in.beginTrial())
			}
		}
		if !full {
			if !p.got && !p.finished() {
				in.promote(p)
			}
			p.reader.Close()
			in.queue = in.queue[1:]
		}
	}
	if len(b.batch.Ends) == 0 {
		in.put(b)
		in.drop()
		return nil
	}
	b.batch.Messages, b.batch.Size = b.records.Messages, b.records.Size()
	b.from = in.current
	b.from.users.Add(1)
	in.lent.Add(1)
	if len(in.queue) == 0 {
		in.drop()
	}
	in.buffered.Store(in.current != nil)
	return &b.batch
}

// promote sees to it that a partition of which there was no whole batch is the first of the next request, whose batch comes
// whole whatever its size; and if it was that, the only one.
func (in *intake) promote(p *partition) {
	if in.asked[0] == p {
		in.alone = p
	} else if !in.shared {
		in.first = p.index
	}
}

// drop lets go of the answer, with what has not been read of it.
func (in *intake) drop() {
	if in.current == nil {
		return
	}
	for _, p := range in.queue {
		p.reader.Close()
	}
	in.current.release()
	in.current, in.queue = nil, nil
	in.buffered.Store(false)
}

// finished tells whether a bounded run has read everything.
func (in *intake) finished() bool {
	for _, p := range in.parts {
		if !p.finished() {
			return false
		}
	}
	return true
}

// fetch asks one broker for more. It returns nil also when there was nothing, or something to be tried again.
func (in *intake) fetch(ctx context.Context, limit int) error {
	if !in.ask(limit) {
		return in.later(ctx, kafkago.LeaderNotAvailable)
	}
	answer, err := in.topic.Cluster().Wire().Fetch(ctx, &in.request)
	if err != nil {
		return in.later(ctx, err)
	}
	in.current = &fetched{answer: answer}
	in.current.users.Store(1)
	var troubled error
	for i, p := range in.asked {
		a := &answer.Partitions[i]
		if a.Err != nil {
			p.replica = -1
			if err := in.trouble(ctx, p, a.Err); err != nil {
				if ctx.Err() != nil {
					in.drop()
					return err
				}
				p.fault = markPassing(err)
				in.queue = append(in.queue, p)
				continue
			}
			if !errors.Is(a.Err, kafkago.OffsetOutOfRange) { // which has been mended
				troubled = a.Err
			}
			continue
		}
		if p.end < 0 {
			p.status.end.Store(a.HighWatermark)
		}
		if a.Preferred >= 0 {
			p.replica, p.replicaUntil = a.Preferred, time.Now().Add(replicaTime)
		}
		if len(a.Records) > 0 {
			p.begin(a, len(in.asked) == 1)
			in.queue = append(in.queue, p)
			if !in.shared {
				in.first = p.index + 1
			}
		}
	}
	in.buffered.Store(len(in.queue) > 0)
	switch {
	case troubled != nil && len(in.queue) == 0:
		return in.later(ctx, troubled)
	case troubled != nil:
		_ = in.topic.Refresh(ctx) // what was read comes first, and the next fetch will see
	default:
		in.retry.Reset()
		in.missing = time.Time{}
	}
	return nil
}

// ask makes the request: everything that is to be read from one broker, beginning behind the last partition
// that had something, so that none starves. It is false if nobody leads any partition.
func (in *intake) ask(limit int) bool {
	r := &in.request
	r.Broker, r.Partitions, in.asked = -1, r.Partitions[:0], in.asked[:0]
	r.MaxWait, r.MinBytes, r.MaxBytes = fetchWait, 1, 0
	r.Committed, r.Rack = true, in.options.Rack
	start := in.first
	in.shared = false
	for i := range in.parts {
		at := (start + i) % len(in.parts)
		p := in.parts[at]
		broker := p.broker(in.topic)
		switch {
		case broker < 0 || p.finished() || in.alone != nil && in.alone != p:
			continue
		case r.Broker < 0:
			r.Broker = broker
		case broker != r.Broker:
			if !in.shared {
				in.shared, in.first, r.MaxWait = true, at, fetchWaitShared // the next request is for that one
			}
			continue
		}
		in.asked = append(in.asked, p)
		want := p.want(limit, in.maxBatch)
		if r.MaxBytes == 0 || r.MaxBytes+want <= limit/4*3 { // the rest is for the structs around records
			r.MaxBytes += want
		}
		r.Partitions = append(r.Partitions, wire.FetchPartition{
			Topic: in.topic.Name(), Partition: p.number, Offset: p.next,
			LeaderEpoch: in.topic.Leader(p.number).Epoch, MaxBytes: want,
		})
	}
	in.alone = nil
	return r.Broker >= 0
}

// later waits and looks who leads, after a fetch that may be tried again; other errors it returns.
func (in *intake) later(ctx context.Context, err error) error {
	if err := in.retry.Wait(ctx, err); err != nil {
		return err
	}
	err = in.topic.Refresh(ctx)
	switch {
	case errors.Is(err, kafkago.UnknownTopicOrPartition):
		if in.missing.IsZero() {
			in.missing = time.Now()
		}
		if time.Since(in.missing) > missingTime {
			return fmt.Errorf("kafka topic %s: %w", in.topic.Name(), cluster.ErrNoTopic)
		}
		return nil
	case err != nil && cluster.Judge(err) != cluster.Again && ctx.Err() == nil:
		return err
	}
	return nil
}

// trouble looks after the error of one partition; it returns what cannot be mended.
func (in *intake) trouble(ctx context.Context, p *partition, err error) error {
	switch {
	case errors.Is(err, kafkago.OffsetOutOfRange):
		return in.outOfRange(ctx, p)
	case errors.Is(err, wire.ErrUnanswered), cluster.Judge(err) == cluster.Again:
		return nil
	}
	return err
}

// outOfRange moves a partition whose next record has been deleted to the first that is left.
func (in *intake) outOfRange(ctx context.Context, p *partition) error {
	bounds, err := in.topic.ListOffsets(ctx, []int32{p.number}, wire.Earliest, wire.Latest)
	if err != nil {
		return err
	}
	first, end := bounds[0][0], bounds[1][0]
	switch {
	case p.next < first:
		in.options.Log.Warn("kafka: records were deleted before they were read",
			"partition", p.place, "from", p.next, "to", first, "records", first-p.next)
		p.next = first
	case p.next > end:
		return fmt.Errorf("the partition ends at %d: it was cut or made anew", end)
	}
	return nil
}
