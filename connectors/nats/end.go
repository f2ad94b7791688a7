package nats

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// endWait waits for messages of a lane, and in a bounded run finds out when
// there will be none.
//
// The end cannot be told from the messages: the last ones may have been deleted
// or not match the filter, and what an earlier run had taken comes again only
// after its AckWait. So the consumer is asked, more and more seldom, while
// nothing arrives.
type endWait struct {
	lane *lane
	next time.Duration
}

const (
	endFirst = 5 * time.Millisecond
	endMost  = 500 * time.Millisecond
)

func newEndWait(l *lane) *endWait { return &endWait{lane: l, next: endFirst} }

// awaitArrival returns when a message may have arrived, or tells that the end
// is reached.
func (w *endWait) awaitArrival(ctx context.Context) (ended bool, err error) {
	if !w.lane.source.UntilEnd {
		select {
		case <-w.lane.arrived:
			return false, nil
		case <-w.lane.parked.held.Changed():
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	if !w.mayExpectMore() && w.lane.isAtEnd(ctx) && w.lane.settleEnd(ctx) {
		return true, nil
	}
	timer := time.NewTimer(w.next)
	defer timer.Stop()
	w.next = min(2*w.next, endMost)
	select {
	case <-w.lane.arrived:
		return false, nil
	case <-timer.C:
		return false, nil
	case <-w.lane.parked.held.Changed():
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// mayExpectMore tells whether more messages are likely on their way: nobody is
// asked before the first wait for them is over.
func (w *endWait) mayExpectMore() bool {
	l := w.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	return w.next == endFirst && l.pending > 0 && l.delivered < l.source.last
}

// isAtEnd tells whether all messages of a bounded run have been delivered, and
// none of them is with anybody but this lane. A server that cannot be reached
// says nothing, so the answer is no.
func (l *lane) isAtEnd(ctx context.Context) bool {
	if l.source.last == 0 {
		return true
	}
	if l.source.givenUp.areNoted() {
		return false
	}
	l.mu.Lock()
	changes, own, arrived := l.changes, l.countOwn(), l.delivered
	pastEnd := l.pastEnd && len(l.ready) == 0
	l.mu.Unlock()
	if pastEnd {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	started := time.Now()
	consumer, err := l.source.lookUp(ctx)
	if err != nil {
		l.failDenied(l.source.conn.explainStream(started, l.source.Stream, err))
		return false
	}
	info := consumer.CachedInfo()
	at := l.source.deliveredTo(info, own, arrived)
	// The stream is asked last, and seldom: it answers with a message, which
	// may be large.
	if !isFinished(info, at, l.source.last, own) || at < l.source.last && !l.nothingBehind(ctx, at) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// A message that moved while the server was asked makes its answer and our
	// count incomparable.
	return l.changes == changes && len(l.ready) == 0
}

// deliveredTo returns the sequence up to which the consumer's messages have
// been delivered. own is how many of them are with this lane, arrived the
// highest sequence that has come to it.
//
// After a reset to the first message the server may still name the last
// delivery of before: when it was writing its state at that moment it does not
// write the new one, and reads the old one back (2.15, consumerFileStore). So
// its word on deliveries is not taken where we know better: in order, all that
// is not acknowledged comes to this lane, and without one of ours there must be
// nothing but acknowledged messages.
func (s *Source) deliveredTo(info *jetstream.ConsumerInfo, own int, arrived uint64) uint64 {
	switch {
	case !s.Shared:
		return max(info.AckFloor.Stream, arrived)
	case own == 0:
		return info.AckFloor.Stream
	}
	return info.Delivered.Stream
}

// settleEnd counts the messages up to the end of the run that were deleted
// before they were read. The end is not reached while the stream does not say
// where it begins.
func (l *lane) settleEnd(ctx context.Context) bool {
	l.mu.Lock()
	l.source.noteHole(max(l.delivered+1, l.source.start.next), l.source.last)
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	started := time.Now()
	err := l.source.settleLosses(ctx)
	l.failDenied(l.source.conn.explainStream(started, l.source.Stream, err))
	return err == nil
}

// unconfirmed is how often the stream may fail to tell its content before the
// consumer's own word is enough.
const unconfirmed = 3

// nothingBehind asks the stream whether it holds anything for this lane behind
// sequence at and up to the end. A consumer does not count what was published a
// moment ago, so that nothing is pending is not enough.
func (l *lane) nothingBehind(ctx context.Context, at uint64) bool {
	started := time.Now()
	nothing, err := l.source.holdsNothing(ctx, at+1)
	if err == nil {
		l.unanswered = 0
		return nothing
	}
	// A user may be allowed to consume and not to read the stream. By now the
	// consumer has been asked again and again, and will have counted.
	l.unanswered++
	if l.unanswered == unconfirmed {
		l.source.Log.Warn("the stream does not say what it holds; the consumer's word is taken for its end",
			"stream", l.source.Stream, "error", l.source.conn.explainStream(started, l.source.Stream, err))
	}
	return l.unanswered >= unconfirmed
}

// holdsNothing tells whether the stream holds no message from sequence from up
// to the end of the run.
func (s *Source) holdsNothing(ctx context.Context, from uint64) (bool, error) {
	first, err := s.conn.findFirst(ctx, s.Stream, s.Filters, from)
	return err == nil && (first == nil || first.sequence > s.last), err
}

func isNotFound(err error) bool { return errors.Is(err, jetstream.ErrMsgNotFound) }

// isFinished tells whether a consumer that has delivered all up to at has
// delivered all up to last and waits for nobody else: own is how many of the
// messages it waits for are ours.
//
// With others there may also be messages beyond last, so the count alone would
// not do; the floor is exact but rises only when ours are committed.
func isFinished(info *jetstream.ConsumerInfo, at, last uint64, own int) bool {
	delivered := info.NumPending == 0 || at >= last
	return delivered && (info.AckFloor.Stream >= last || info.NumAckPending <= own)
}
