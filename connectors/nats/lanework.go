package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// runLoop looks after messages and the session.
func (l *lane) runLoop(ctx context.Context) {
	started := time.Now()
	working := time.NewTicker(l.source.effectiveAckWait() / 3)
	defer working.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-working.C:
			l.inProgress()
		case <-look.C:
			l.settleDebts()
			l.seekPart(ctx)
			l.noteDenied(started)
			l.superviseSession(ctx)
		case <-l.attend:
			l.attendLease()
			l.superviseSession(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// attendLease acts on a lease that has changed.
func (l *lane) attendLease() {
	if l.source.lease == nil {
		return
	}
	err := l.CheckOwner()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failReads(fmt.Errorf("nats stream %s, consumer %s: %w", l.source.Stream, l.source.config.Name, err))
		return
	}
	l.ackSaved()
}

// noteDenied ends reading if the server has refused an acknowledgement or a
// request for messages since t: without a word the lane would stand still, or
// read the same messages again and again.
func (l *lane) noteDenied(t time.Time) {
	err := l.source.conn.deniedSince(t,
		ackPrefix+l.source.Stream+"."+l.source.config.Name+".",
		l.source.conn.apiSubject("CONSUMER.MSG.NEXT."+l.source.Stream+"."+l.source.config.Name),
		l.source.conn.inboxSubject())
	l.failDenied(err)
}

// failDenied ends reading if err is a permission violation.
func (l *lane) failDenied(err error) {
	if !isDenied(err) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failReads(pipeline.Passing(
		fmt.Errorf("nats stream %s, consumer %s: %w", l.source.Stream, l.source.config.Name, err)))
}

// lookEvery is how soon a lost acknowledgement is sent again and a dead session
// is noticed.
const lookEvery = 100 * time.Millisecond

// inProgress restarts the server's clock for everything that is held.
func (l *lane) inProgress() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.held {
		if !d.done && l.sendWord(d.msg, wordInProgress) != nil {
			return // disconnected: the server redelivers by itself
		}
	}
}
