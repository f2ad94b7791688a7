package nats

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// endWait waits for messages of a lane, and in a bounded run finds out when there will be none.
//
// The end cannot be told from the messages: the last ones may have been deleted or not match the
// filter, and what an earlier run had taken comes again only after its AckWait. So the consumer is
// asked, more and more seldom, while nothing arrives.
type endWait struct {
	lane *lane
	next time.Duration
}

const (
	endFirst = 5 * time.Millisecond
	endMost  = 500 * time.Millisecond
)

func newEndWait(l *lane) *endWait { return &endWait{lane: l, next: endFirst} }

// arrival returns when a message may have arrived, or tells that the end is reached.
func (w *endWait) arrival(ctx context.Context) (ended bool, err error) {
	if !w.lane.source.UntilEnd {
		select {
		case <-w.lane.arrived:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	if w.lane.atEnd(ctx) {
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
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// atEnd tells whether all messages of a bounded run have been delivered, and none of them is with
// anybody but this lane. A server that cannot be reached says nothing, so the answer is no.
func (l *lane) atEnd(ctx context.Context) bool {
	if l.source.last == 0 {
		return true
	}
	l.mu.Lock()
	changes, own := l.changes, len(l.held)
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	consumer, err := l.source.lookUp(ctx)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// What moved while the server was being asked makes its answer and our count incomparable.
	return l.changes == changes && len(l.ready) == 0 && finished(consumer.CachedInfo(), l.source.last, own)
}

// finished tells whether a consumer has delivered all up to last and waits for nobody else: own is how
// many of the messages it waits for are ours.
//
// With others there may also be messages beyond last, so the count alone would not do; the floor is
// exact but rises only when ours are committed.
func finished(info *jetstream.ConsumerInfo, last uint64, own int) bool {
	delivered := info.NumPending == 0 || info.Delivered.Stream >= last
	return delivered && (info.AckFloor.Stream >= last || info.NumAckPending <= own)
}
