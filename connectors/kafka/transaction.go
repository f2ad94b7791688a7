package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// abortTimeout is how long aborting may take before it is left to the next
// owner, or the brokers.
const abortTimeout = 2 * time.Second

// transaction carries everything that a lane writes exactly once: its messages,
// its dead letters and its offsets, in one transaction after the other. There
// is never more than one open for a lane, and none for a partition in two
// lanes, so that an abort takes back nothing that a later transaction builds
// on.
//
// It opens with a write. It closes length later (100 ms), or with a position
// behind which nothing waits, if the one before was opened that long ago; never
// between a write and its position. A failure aborts it and ends the
// transaction for good: the lane is served again with a new one.
type transaction struct {
	producer *producer
	owner    *owner
	epochs   *epochs
	length   time.Duration
	waiting  func() bool            // something was read and has no position yet
	broken   func(error)            // told when closing fails
	lost     func() error           // why nothing of the lane counts any more; nil if it does
	settled  func([]cluster.Offset) // told of offsets that are committed
	observer SinkObserver           // nil if nobody wants to know
	// confirm is an error if the group has members; nil if brokers fence the
	// owner. They do not look at members when offsets come in a transaction of
	// somebody who is none. It only asks: a commit outside transactions would be
	// refused as well, but one that comes late would set the group back.
	confirm func(context.Context) error

	token chan struct{}  // has one entry while no goroutine holds the token
	full  chan struct{}  // hands the token to closeLoop, to close the transaction
	due   chan time.Time // when the transaction that is open must be closed
	stop  context.CancelFunc
	ended chan struct{}

	// For the goroutine that holds the token:
	open    bool
	opened  time.Time
	before  time.Time                // when the one before was opened
	step    bool                     // something was written that has no position yet
	wrote   bool                     // a message was sent in the transaction that is open
	parts   map[string][]involvement // by topic and partition
	fresh   []target
	pending pending
	offsets []cluster.Offset
	moved   bool      // one was committed
	doubted bool      // offsets were committed and have yet to be confirmed
	sure    time.Time // when offsets were confirmed last
	err     error
}

// startLoop starts the goroutine that closes transactions; stopLoop ends it.
func (t *transaction) startLoop() {
	t.token, t.full, t.due = make(chan struct{}, 1), make(chan struct{}, 1), make(chan time.Time, 1)
	t.ended = make(chan struct{})
	t.parts = make(map[string][]involvement)
	t.token <- struct{}{}
	var ctx context.Context
	ctx, t.stop = context.WithCancel(context.Background())
	go t.closeLoop(ctx)
}

// takeToken waits for the token, unless the transaction has failed.
func (t *transaction) takeToken(ctx context.Context) error {
	select {
	case <-t.token:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err := t.err
	if err != nil {
		t.putToken()
	}
	return err
}

func (t *transaction) putToken() { t.token <- struct{}{} }

// involvement tells how a partition takes part in the transaction.
type involvement struct{ joined, written, before bool } // before: the last transaction wrote it

// target is a partition that is written.
type target struct {
	topic     string
	partition int32
}

// joinPartitions adds partitions to the open transaction, and with them those
// that the last one wrote: they will mostly be next, and a request costs the
// same for any number. The caller holds the token.
func (t *transaction) joinPartitions(ctx context.Context, partitions []target) error {
	t.wrote = true
	if t.producer.implicit {
		return nil // the leaders add them
	}
	missing := false
	for _, at := range partitions {
		parts := t.parts[at.topic]
		if n := int(at.partition) + 1 - len(parts); n > 0 {
			parts = append(parts, make([]involvement, n)...)
			t.parts[at.topic] = parts
		}
		missing = missing || !parts[at.partition].joined
		parts[at.partition].written = true
	}
	if !missing {
		return nil
	}
	t.fresh = t.fresh[:0]
	for topic, parts := range t.parts {
		for i := range parts {
			if p := &parts[i]; !p.joined && (p.written || p.before) {
				t.fresh = append(t.fresh, target{topic, int32(i)})
			}
		}
	}
	if err := t.producer.addPartitions(ctx, t.fresh); err != nil {
		return t.abortFor(ctx, err)
	}
	for _, at := range t.fresh {
		t.parts[at.topic][at.partition].joined = true
	}
	return nil
}

// openIfNeeded opens a transaction if none is, as far as that concerns the
// producer. The caller holds the token.
func (t *transaction) openIfNeeded(ctx context.Context) error {
	if t.open {
		return nil
	}
	if t.producer.uncertain {
		if err := t.producer.initID(ctx, t.owner.isMember()); err != nil {
			return t.abortFor(ctx, err)
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

// noteWrite notes a write. A nil done says that the position follows. The
// caller holds the token.
func (t *transaction) noteWrite(ctx context.Context, done *pipeline.Progress) error {
	if done == nil {
		t.step = true
		return nil
	}
	if err := t.openIfNeeded(ctx); err != nil {
		return err
	}
	t.step = false
	t.pending.addProgress(done)
	return nil
}

// isDue tells whether it is time to close the transaction. The caller holds the
// token.
func (t *transaction) isDue() bool {
	now := time.Now()
	return t.open && !t.step && t.err == nil &&
		(now.Sub(t.opened) >= t.length || !t.waiting() && now.Sub(t.before) >= t.length)
}

// passToken gives up the token after a write. If the transaction is due
// closeLoop gets it, so that the worker can go on to its next batch meanwhile.
func (t *transaction) passToken() {
	if t.isDue() {
		t.full <- struct{}{}
		return
	}
	t.putToken()
}

// commitOpen commits the transaction. The caller holds the token.
func (t *transaction) commitOpen(ctx context.Context) error {
	offsets, err := t.pending.appendOffsets(t.offsets[:0], t.epochs)
	if err != nil {
		return t.abortFor(ctx, err)
	}
	t.offsets = offsets
	if len(offsets) == 0 && !t.wrote {
		// All places of the step are parked. The coordinator has no transaction
		// then, and would refuse to end one.
		t.open = false
		return nil
	}
	if !t.producer.implicit {
		if err := t.producer.addOffsets(ctx, t.owner.group()); err != nil {
			return t.abortFor(ctx, err)
		}
	}
	err = t.owner.commitAs(ctx, offsets, func(as cluster.Owner) error {
		// The identity may be that of a later membership with the same
		// partitions.
		if err := t.lost(); err != nil {
			return err
		}
		return t.producer.commitOffsets(ctx, as, offsets)
	})
	if err != nil {
		return t.abortFor(ctx, err)
	}
	if err := t.producer.endTransaction(ctx, true); err != nil {
		return t.abortFor(ctx, err)
	}
	t.noteEnd(true)
	t.settled(offsets)
	t.open, t.before, t.moved, t.wrote = false, t.opened, true, false
	for _, parts := range t.parts {
		for i := range parts {
			parts[i] = involvement{before: parts[i].written}
		}
	}
	t.pending.clearMoved()
	t.doubted = true
	if time.Since(t.sure) < confirmPause {
		return nil
	}
	return t.confirmOffsets(ctx)
}

// confirmPause is how often a run without a membership makes sure that nobody
// has joined its group.
const confirmPause = time.Second

// confirmOffsets makes sure that the group had no members when the offsets of
// the last transaction were committed. The caller holds the token.
func (t *transaction) confirmOffsets(ctx context.Context) error {
	if t.confirm == nil || !t.doubted {
		return nil
	}
	if err := t.confirm(ctx); err != nil {
		return t.abortFor(ctx, err)
	}
	t.doubted, t.sure = false, time.Now()
	return nil
}

// abortFor aborts the transaction because of err and returns the error for the
// pipeline. The caller holds the token.
func (t *transaction) abortFor(ctx context.Context, err error) error {
	t.err = asLost(ctx, err)
	if ctx.Err() == nil {
		t.abortOpen()
	}
	return t.err
}

// abortOpen aborts the open transaction. If that fails, the next owner of the
// transactional id does it, or the brokers do after a while. The caller holds
// the token.
func (t *transaction) abortOpen() {
	if !t.open {
		return
	}
	t.noteEnd(false)
	t.open = false
	ctx, cancel := context.WithTimeout(context.Background(), abortTimeout)
	defer cancel()
	_ = t.producer.endTransaction(ctx, false)
}

// noteEnd tells the observer how the open transaction ends.
func (t *transaction) noteEnd(committed bool) {
	if t.observer != nil {
		t.observer.EndTransaction(committed, time.Since(t.opened))
	}
}

// closeLoop closes the transaction when it is handed the token, and one that is
// open for too long while nobody writes.
func (t *transaction) closeLoop(ctx context.Context) {
	defer close(t.ended)
	timer := time.NewTimer(t.length)
	defer timer.Stop()
	for {
		var err error
		select {
		case at := <-t.due:
			timer.Reset(time.Until(at))
		case <-t.full:
			err = t.commitOpen(ctx)
			t.putToken()
		case <-timer.C:
			err = t.closeExpired(ctx)
		case <-ctx.Done():
			return
		}
		if err != nil && ctx.Err() == nil {
			t.broken(err)
			return
		}
	}
}

// closeExpired takes the token, also from a writer that hands it over, and
// closes a transaction that has been open for its time.
func (t *transaction) closeExpired(ctx context.Context) error {
	select {
	case <-t.token:
	case <-t.full:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer t.putToken()
	if !t.isDue() {
		return t.err // there is none, or its next position closes it, or due has the time of this one
	}
	return t.commitOpen(ctx)
}

// close commits messages that came with their position. A write without one
// aborts the whole transaction.
func (t *transaction) close(ctx context.Context) error {
	if err := t.takeToken(ctx); err != nil {
		return err
	}
	defer t.putToken()
	switch {
	case !t.open:
		return t.confirmOffsets(ctx)
	case t.step:
		return t.abortFor(ctx, fmt.Errorf("%w: closed before the position of what was written", pipeline.ErrLost))
	}
	if err := t.commitOpen(ctx); err != nil {
		return err
	}
	return t.confirmOffsets(ctx)
}

// stopLoop ends the goroutine and aborts the open transaction, since the lane
// is let go.
func (t *transaction) stopLoop() {
	t.stop()
	<-t.ended
	select {
	case <-t.token:
	case <-t.full:
	}
	t.abortOpen()
	if t.err == nil {
		t.err = errors.New("kafka: transaction used after its lane")
	}
	t.putToken()
}
