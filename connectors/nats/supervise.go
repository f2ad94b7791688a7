package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// superviseSession starts a session where one is due. Only the lane's goroutine
// calls it.
func (l *lane) superviseSession(ctx context.Context) {
	switch l.sessionNeed() {
	case nothing:
	case another:
		l.resumeSession()
	case anew:
		l.restartSession(ctx, false)
	case anewIfPending:
		l.restartSession(ctx, true)
	}
}

// need is the next step for a session.
type need int

const (
	nothing       need = iota
	another            // it was ended, and there is room again
	anew               // there is none, it ended by itself, or its request was lost with a connection
	anewIfPending      // it is silent
)

func (l *lane) sessionNeed() need {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.session
	switch {
	case l.closed || l.halted || l.err != nil || l.pastEnd || time.Now().Before(l.retryAt):
		return nothing
	case in == nil:
		return anew
	case in.ending && !in.sub.IsValid() && l.unreadBytes() < l.source.ReadAhead:
		return another
	case in.ending:
		return nothing
	case in.over != nil, in.epoch != l.source.conn.connectionCount():
		return anew
	case in.isSilent(time.Now()):
		return anewIfPending
	}
	return nothing
}

// resumeSession begins a session on the consumer without asking the server
// about it.
func (l *lane) resumeSession() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.halted {
		return
	}
	l.giveBackSpares()
	if err := l.beginSession(); err != nil {
		l.retryAt = time.Now().Add(lookAgain)
		l.source.Log.Warn("nats consumer not started",
			"stream", l.source.Stream, "consumer", l.source.config.Name, "error", err)
	}
}

// restartSession asks the server about the consumer before it begins another
// session. With onlyPending, a session that is silent because no messages wait,
// and none that were delivered are missing here, is left alone.
func (l *lane) restartSession(ctx context.Context, onlyPending bool) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	started := time.Now()
	consumer, err := l.source.lookUp(ctx)
	l.failDenied(l.source.conn.explainStream(started, l.source.Stream, err))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retryAt = time.Now().Add(lookAgain)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound) && !l.source.Shared:
		l.lose("the consumer was deleted")
		return
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		l.failReads(pipeline.Passing(
			fmt.Errorf("nats stream %s, consumer %s: %w", l.source.Stream, l.source.config.Name, err)))
		return
	case err != nil:
		return // the server is away; look again
	}
	l.source.notePause(consumer.CachedInfo())
	info := consumer.CachedInfo()
	if onlyPending && info.NumPending == 0 && info.NumAckPending <= len(l.held) {
		l.session.heard = time.Now()
		return
	}
	if l.session != nil {
		l.source.Log.Warn("nats consumer started again",
			"stream", l.source.Stream, "consumer", l.source.config.Name, "error", l.session.over)
		l.endSession()
		if !l.source.Shared {
			l.lose("the request for messages was lost")
			return
		}
	}
	if l.closed || l.halted {
		return
	}
	if err := l.beginSession(); err != nil {
		l.source.Log.Warn("nats consumer not started",
			"stream", l.source.Stream, "consumer", l.source.config.Name, "error", err)
		return
	}
	l.retryAt = time.Time{}
}
