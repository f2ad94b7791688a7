package nats

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// failReads ends reading with err. l.mu is held.
func (l *lane) failReads(err error) {
	if l.err == nil {
		l.err = err
		l.endSession()
	}
	signalOnce(l.arrived)
}

// settleEvery is the wait before a lane that is let go sends acknowledgements
// again that it could not send.
const settleEvery = 50 * time.Millisecond

// stopReads stops reading and gives back messages that nobody has read. Those
// that have been read stay ours.
func (l *lane) stopReads() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.endSession()
	if l.source.Shared {
		for _, d := range l.ready {
			l.giveBack(d)
		}
		l.ready, l.bytes = nil, 0
	}
	l.giveBackSpares()
}

// close lets the lane go; final says that this process serves no other one.
// When it returns, acknowledgements and given-back messages have reached the
// server, unless that cannot be reached within 5 s.
func (l *lane) close(final bool) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	l.mu.Lock()
	l.closed = true
	session := l.session
	l.endSession()
	l.mu.Unlock()
	if session != nil {
		session.awaitEnd(ctx)
	}
	l.stop()
	l.loops.Wait()

	for !l.settleDebts() && l.CheckOwner() == nil && retry.Sleep(ctx, settleEvery) == nil {
	}
	l.mu.Lock()
	// In the order of the stream, in which they will then come again.
	l.resets = l.resets && !final
	for _, sequence := range slices.Sorted(maps.Keys(l.held)) {
		l.giveBack(l.held[sequence])
	}
	l.mu.Unlock()
	nc := l.source.conn.nc
	if !nc.IsConnected() {
		return
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		l.source.Log.Warn("nats lane let go without the server's knowledge", "stream", l.source.Stream, "error", err)
	}
}
