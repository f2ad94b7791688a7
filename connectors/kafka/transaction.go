package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// abortTimeout is how long aborting may take before it is left to the next owner, or the brokers.
const abortTimeout = 2 * time.Second

// transaction is what a lane writes exactly once: its messages, its dead letters and its offsets, in one
// transaction after the other. There is never more than one open for a lane, and none for a partition in two
// lanes, so that one which is aborted takes back nothing that a later one builds on.
//
// It opens with a write. It closes length later (100 ms), or with a position behind which nothing waits, if
// the one before was opened that long ago; never between a write and its position. What fails is aborted and
// ends the transaction for good: the lane is served again with a new one.
type transaction struct {
	producer *producer
	owner    cluster.Owner
	topic    string // whose offsets
	length   time.Duration
	waiting  func() bool // something was read and has no position yet
	broken   func(error) // told when closing fails

	turn  chan struct{}  // has one entry while nobody has the turn
	full  chan struct{}  // hands the turn to run, for it to close the transaction
	due   chan time.Time // when the transaction that is open must be closed
	stop  context.CancelFunc
	ended chan struct{}

	// Of whoever has the turn:
	open    bool
	opened  time.Time
	before  time.Time         // when the one before was opened
	step    bool              // something was written that has no position yet
	parts   map[string][]part // by topic and partition
	fresh   []int32
	pending pending
	offsets []cluster.Offset
	moved   bool // one was committed
	err     error
}

// startTransaction starts the goroutine that closes transactions; release ends it.
func startTransaction(p *producer, o cluster.Owner, topic string, length time.Duration, waiting func() bool, broken func(error)) *transaction {
	ctx, stop := context.WithCancel(context.Background())
	t := &transaction{
		producer: p, owner: o, topic: topic, length: length, waiting: waiting, broken: broken,
		turn: make(chan struct{}, 1), full: make(chan struct{}, 1), due: make(chan time.Time, 1), stop: stop, ended: make(chan struct{}),
		parts: make(map[string][]part),
	}
	t.turn <- struct{}{}
	go t.run(ctx)
	return t
}

// enter takes the turn, unless the transaction has failed.
func (t *transaction) enter(ctx context.Context) error {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err := t.err
	if err != nil {
		t.leave()
	}
	return err
}

func (t *transaction) leave() { t.turn <- struct{}{} }

// part is what a partition has to do with the transaction.
type part struct{ joined, written, before bool } // before: the last transaction wrote it

// join makes partitions of a topic part of the transaction that is open, and with them those that the last one wrote:
// they will mostly be next, and each round of joining costs as much as any other. It needs the turn.
func (t *transaction) join(ctx context.Context, topic string, partitions []int32) error {
	parts, missing := t.parts[topic], false
	for _, p := range partitions {
		if n := int(p) + 1 - len(parts); n > 0 {
			parts = append(parts, make([]part, n)...)
		}
		missing = missing || !parts[p].joined
		parts[p].written = true
	}
	t.parts[topic] = parts
	if !missing {
		return nil
	}
	t.fresh = t.fresh[:0]
	for i := range parts {
		if p := &parts[i]; !p.joined && (p.written || p.before) {
			t.fresh = append(t.fresh, int32(i))
		}
	}
	if err := t.producer.addPartitions(ctx, topic, t.fresh); err != nil {
		return t.fail(ctx, err)
	}
	for _, p := range t.fresh {
		parts[p].joined = true
	}
	return nil
}

// begin opens a transaction if none is, as far as that concerns the producer. It needs the turn.
func (t *transaction) begin(ctx context.Context) error {
	if t.open {
		return nil
	}
	if t.producer.uncertain {
		if err := t.producer.begin(ctx, t.owner.Generation >= 0); err != nil {
			return t.fail(ctx, err)
		}
	}
	t.open, t.opened = true, time.Now()
	select {
	case <-t.due:
	default:
	}
	t.due <- t.opened.Add(t.length)
	return nil
}

// wrote notes that something was written. A nil done says that the position follows. It needs the turn.
func (t *transaction) wrote(ctx context.Context, done *pipeline.Progress) error {
	if done == nil {
		t.step = true
		return nil
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	t.step = false
	t.pending.move(done)
	return nil
}

// over tells whether it is time to close the transaction. It needs the turn.
func (t *transaction) over() bool {
	now := time.Now()
	return t.open && !t.step && t.err == nil &&
		(now.Sub(t.opened) >= t.length || !t.waiting() && now.Sub(t.before) >= t.length)
}

// yield gives the turn up after a write. If it is time to close the transaction run gets it, so that the worker which
// wrote can go on to its next batch meanwhile.
func (t *transaction) yield() {
	if t.over() {
		t.full <- struct{}{}
		return
	}
	t.leave()
}

// commit closes the transaction. It needs the turn.
func (t *transaction) commit(ctx context.Context) error {
	offsets, err := t.pending.encode(t.offsets[:0])
	if err != nil {
		return t.fail(ctx, err)
	}
	t.offsets = offsets
	if err := t.producer.addOffsets(ctx, t.owner.Group); err != nil {
		return t.fail(ctx, err)
	}
	if err := t.producer.commitOffsets(ctx, t.owner, t.topic, offsets); err != nil {
		return t.fail(ctx, err)
	}
	if err := t.producer.end(ctx, true); err != nil {
		return t.fail(ctx, err)
	}
	t.open, t.before, t.moved = false, t.opened, true
	for _, parts := range t.parts {
		for i := range parts {
			parts[i] = part{before: parts[i].written}
		}
	}
	t.pending.settle()
	return nil
}

// fail aborts the transaction because of err and returns what the pipeline must know. It needs the turn.
func (t *transaction) fail(ctx context.Context, err error) error {
	t.err = lose(ctx, err)
	if ctx.Err() == nil {
		t.abort()
	}
	return t.err
}

// abort takes back what was written. If that fails the next owner of the transactional id does it, or the
// brokers do after a while. It needs the turn.
func (t *transaction) abort() {
	if !t.open {
		return
	}
	t.open = false
	ctx, cancel := context.WithTimeout(context.Background(), abortTimeout)
	defer cancel()
	_ = t.producer.end(ctx, false)
}

// run closes what it is handed, and what is open for too long while nobody writes.
func (t *transaction) run(ctx context.Context) {
	defer close(t.ended)
	timer := time.NewTimer(t.length)
	defer timer.Stop()
	for {
		var err error
		select {
		case at := <-t.due:
			timer.Reset(time.Until(at))
		case <-t.full:
			err = t.commit(ctx)
			t.leave()
		case <-timer.C:
			err = t.expire(ctx)
		case <-ctx.Done():
			return
		}
		if err != nil && ctx.Err() == nil {
			t.broken(err)
			return
		}
	}
}

// expire takes the turn, from whoever has it or hands it over, and closes a transaction that has been open for its time.
func (t *transaction) expire(ctx context.Context) error {
	select {
	case <-t.turn:
	case <-t.full:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer t.leave()
	if !t.over() {
		return t.err // there is none, or its next position closes it, or due has the time of this one
	}
	return t.commit(ctx)
}

// close commits what came with its position. What did not takes the whole transaction with it.
func (t *transaction) close(ctx context.Context) error {
	if err := t.enter(ctx); err != nil {
		return err
	}
	defer t.leave()
	switch {
	case !t.open:
		return nil
	case t.step:
		return t.fail(ctx, fmt.Errorf("%w: closed before the position of what was written", pipeline.ErrLost))
	}
	return t.commit(ctx)
}

// release ends the goroutine and aborts what is still open: the lane is let go.
func (t *transaction) release() {
	t.stop()
	<-t.ended
	select {
	case <-t.turn:
	case <-t.full:
	}
	t.abort()
	if t.err == nil {
		t.err = errors.New("kafka: transaction used after its lane")
	}
	t.leave()
}
