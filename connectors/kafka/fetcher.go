package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	// fetchWait is how long a broker holds a fetch that finds nothing. A lane
	// that has more than one broker to ask, because a leader has moved, asks
	// them in turns and waits less.
	fetchWait       = 500 * time.Millisecond
	fetchWaitShared = 50 * time.Millisecond
	// missingTime is how long a topic may be unknown to the brokers before it
	// counts as deleted.
	missingTime = 30 * time.Second
)

// fetcher reads the partitions of a lane, one fetch after the other. It is used
// by one goroutine; batches are released by any.
type fetcher struct {
	topics  *topicSet
	options *SourceOptions
	codecs  batch.Codecs // of all partitions: one after the other is read
	parts   []*partition

	first  int        // of parts, in the next request
	alone  *partition // the next request is for this one only; nil if it is not
	shared bool       // the last request was to one of several brokers
	// leaderless says that the last request left out a partition that nobody
	// led when that was asked last.
	leaderless bool
	request    wire.FetchRequest
	asked      []*partition // of the request
	compressed bool         // it was told that a batch was
	current    *sharedAnswer
	queue      []*partition // partitions with data left in current
	retry      *cluster.Retry
	missing    time.Time // since when the topic is unknown
	looked     time.Time // when missing ones of several topics were looked for

	epochs epochs
	losses *losses
	timing timing

	held   *pipeline.Assignment
	trying *partition   // is parked, and is read again to be tried
	lent   atomic.Int64 // batches that were taken and not released

	buffered atomic.Bool // queue is not empty
	mu       sync.Mutex
	free     []*lent
}

// nextBatch returns messages that have been fetched, up to about limit bytes.
// It is false if there are none.
func (in *fetcher) nextBatch(limit int) (*pipeline.Batch, bool) {
	if in.current == nil {
		return nil, false
	}
	b := in.takeBatch()
	full := false
	for len(in.queue) > 0 && !full {
		p := in.queue[0]
		before := p.next
		full = p.appendRecords(&b.records, limit)
		in.noteCompressed(p)
		if p.next > before {
			b.batch.Ends = append(b.batch.Ends, pipeline.Position{Place: p.place, Next: p.next})
			p.handed = p.next
			if p.starts != nil && p != in.trying {
				b.batch.Starts = append(b.batch.Starts, *p.starts)
			}
			p.starts = nil
			if p == in.trying {
				b.batch.Starts = append(b.batch.Starts, in.beginTrial())
			}
		}
		if !full {
			if !p.got && !p.isFinished() {
				in.askFirst(p)
			}
			p.reader.Close()
			in.queue = in.queue[1:]
		}
	}
	if len(b.batch.Ends) == 0 {
		in.putBatch(b)
		in.dropAnswer()
		return nil, false
	}
	b.batch.Messages, b.batch.Size = b.records.Messages, b.records.Size()
	b.from = in.current
	b.from.users.Add(1)
	in.lent.Add(1)
	if len(in.queue) == 0 {
		in.dropAnswer()
	}
	in.buffered.Store(in.current != nil)
	return &b.batch, true
}

// addPart adds a partition to those that are read.
func (in *fetcher) addPart(p *partition) {
	p.index = len(in.parts)
	in.parts = append(in.parts, p)
}

// removePart removes a partition, and what was fetched of it and not handed
// out. It returns nil if there is no such partition.
func (in *fetcher) removePart(slot int32) *partition {
	at := slices.IndexFunc(in.parts, func(p *partition) bool { return p.slot == slot })
	if at < 0 {
		return nil
	}
	p := in.parts[at]
	in.parts = slices.Delete(in.parts, at, at+1)
	for i := range in.parts {
		in.parts[i].index = i
	}
	in.dropQueued(p)
	in.endStuck(p)
	if in.alone == p {
		in.alone = nil
	}
	if in.trying == p {
		in.trying = nil
	}
	return p
}

// askFirst makes a partition that got no whole batch the first of the next
// request, whose batch comes whole however large it is. If it was the first
// already, it becomes the only one.
func (in *fetcher) askFirst(p *partition) {
	if in.asked[0] == p {
		in.alone = p
	} else if !in.shared {
		in.first = p.index
	}
}

// dropAnswer releases the answer and the data that was not read from it.
func (in *fetcher) dropAnswer() {
	if in.current == nil {
		return
	}
	for _, p := range in.queue {
		p.reader.Close()
	}
	in.current.dropUser()
	in.current, in.queue = nil, nil
	in.buffered.Store(false)
}

// announce tells of the topic of a partition, once.
func (in *fetcher) announce(p *partition) {
	if in.options.Announce == nil || p.announced {
		return
	}
	p.announced = true
	in.options.Announce(p.topic.Name())
}

// noteCompressed tells of the first compressed batch of the lane.
func (in *fetcher) noteCompressed(p *partition) {
	if p.compressed && !in.compressed && in.options.NoteCompressed != nil {
		in.options.NoteCompressed()
		in.compressed = true
	}
}

// isFinished tells whether nothing more is to be read: every partition is at
// the end of a bounded run, or parked.
func (in *fetcher) isFinished() bool {
	for _, p := range in.parts {
		if !p.isFinished() {
			return false
		}
	}
	return true
}

// fetchOnce asks one broker for more. It also returns nil if the broker had
// nothing, or if another try is due.
func (in *fetcher) fetchOnce(ctx context.Context, limit int) error {
	if err := in.checkLeaders(ctx); err != nil {
		return err
	}
	if !in.buildRequest(limit) {
		return in.awaitLeader(ctx)
	}
	c := in.topics.cluster
	if err := c.AwaitQuota(ctx, in.request.Broker, false); err != nil {
		return err
	}
	answer, err := c.Wire().Fetch(ctx, &in.request)
	if err != nil {
		if cluster.IsDoubtful(err) && ctx.Err() == nil {
			c.NoteDoubt(in.request.Broker)
		}
		if ctx.Err() == nil {
			for _, p := range in.asked {
				p.leaveReplica(in.request.Broker)
			}
		}
		return in.retryLater(ctx, err)
	}
	c.NoteThrottle(in.request.Broker, false, answer.Throttle)
	in.current = &sharedAnswer{answer: answer}
	in.current.users.Store(1)
	var troubled error
	size := 0
	for i, p := range in.asked {
		a := &answer.Partitions[i]
		if a.Err != nil {
			p.leaveReplica(in.request.Broker)
			if err := in.handleError(ctx, p, a.Err); err != nil {
				if ctx.Err() != nil {
					in.dropAnswer()
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
		if p.isSentOn(a, in.request.Broker) {
			continue
		}
		if p.stopAt < 0 {
			p.status.end.Store(a.HighWatermark)
		}
		if p == in.trying && len(a.Records) == 0 && a.HighWatermark <= p.next {
			in.noteEmpty()
		}
		in.noteQuiet(ctx, p, a, answer.Throttle > 0)
		size += len(a.Records)
		if len(a.Records) > 0 {
			in.announce(p)
			p.beginAnswer(a, len(in.asked) == 1)
			in.queue = append(in.queue, p)
			if !in.shared {
				in.first = p.index + 1
			}
		}
	}
	in.queueGone(ctx)
	in.buffered.Store(len(in.queue) > 0)
	if in.options.Observer != nil && size > 0 {
		in.options.Observer.FetchBytes(size)
	}
	switch {
	case troubled != nil && len(in.queue) == 0:
		return in.retryLater(ctx, troubled)
	case troubled != nil || in.leaderless:
		_ = in.topics.Refresh(ctx) // the data comes first, and the next fetch will see the leader
	default:
		in.retry.Reset()
		in.missing = time.Time{}
	}
	return nil
}

// buildRequest makes a request for all partitions that are to be read from one
// broker. It begins behind the last partition that had data, so that none
// starves. It is false if nobody leads any partition.
func (in *fetcher) buildRequest(limit int) bool {
	r := &in.request
	r.Broker, r.Partitions, in.asked = -1, r.Partitions[:0], in.asked[:0]
	r.MaxWait, r.MinBytes, r.MaxBytes = fetchWait, 1, 0
	r.Committed = true
	start := in.first
	in.shared, in.leaderless = false, false
	for i := range in.parts {
		at := (start + i) % len(in.parts)
		p := in.parts[at]
		broker := p.brokerToAsk()
		in.leaderless = in.leaderless || broker < 0 && !p.isFinished() && !in.isGone(p)
		switch {
		case broker < 0 || p.topic.IsReplaced() || p.isFinished() || in.alone != nil && in.alone != p:
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
		want := p.wantBytes(limit, int(p.topic.maxBatch.Load()))
		if r.MaxBytes == 0 || r.MaxBytes+want <= limit/4*3 { // the rest is for the structs around records
			r.MaxBytes += want
		}
		r.Partitions = append(r.Partitions, wire.FetchPartition{
			Topic: p.topic.Name(), Partition: p.number, Offset: p.next,
			LeaderEpoch: p.topic.Leader(p.number).Epoch, MaxBytes: want,
		})
	}
	in.alone = nil
	r.Rack = in.rackToSend()
	return r.Broker >= 0
}

// retryLater waits and looks who leads, after a fetch that may be tried again.
// It returns every other error.
func (in *fetcher) retryLater(ctx context.Context, err error) error {
	if err := in.retry.Wait(ctx, err); err != nil {
		return err
	}
	err = in.topics.Refresh(ctx)
	switch {
	case errors.Is(err, kafkago.UnknownTopicOrPartition):
		if in.missing.IsZero() {
			in.missing = time.Now()
		}
		if time.Since(in.missing) > missingTime {
			return fmt.Errorf("%s: %w", in.topics.names.describe(), cluster.ErrNoTopic)
		}
		return nil
	case err != nil && cluster.JudgeError(err) != cluster.Again && ctx.Err() == nil:
		return err
	}
	return nil
}

// handleError mends the error of one partition, or returns it.
func (in *fetcher) handleError(ctx context.Context, p *partition, err error) error {
	switch {
	case errors.Is(err, kafkago.OffsetOutOfRange):
		return in.moveIntoRange(ctx, p)
	case errors.Is(err, wire.ErrUnanswered), cluster.JudgeError(err) == cluster.Again:
		return nil
	}
	return err
}

// moveIntoRange moves a partition whose next record has been deleted to its
// first record.
func (in *fetcher) moveIntoRange(ctx context.Context, p *partition) error {
	starts, err := p.topic.ListOffsets(ctx, []int32{p.number}, wire.Earliest)
	if err != nil {
		return err
	}
	ends, err := p.topic.ListEnds(ctx, []int32{p.number})
	if err != nil {
		return err
	}
	first, end := starts[0][0], ends[0]
	switch {
	case p.next < first:
		lost := min(first, p.limit()) - p.next
		in.options.Log.Warn("kafka: records were deleted before they were read",
			"partition", p.place, "from", p.next, "to", first, "up_to", lost)
		in.losses.noteDeleted(p.place, lost, first)
		in.skipTo(p, first)
	case p.next > end && in.epochs.at(p.place, p.next, false) >= 0:
		p.checked = -1 // the leader is asked where its log was cut
	case p.next > end:
		return fmt.Errorf("the partition ends at %d: it was cut or made anew", end)
	}
	return nil
}
