package nats

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// parking is how a lane reads while its stream is parked: nothing, and when the
// stream may be tried again one message. This message is the one at which it
// was parked if this lane has it still, and otherwise the next that arrives.
//
// While the stream is parked, messages that nobody has read go back to the
// server if other processes share the consumer. Those that were read stay ours,
// so that no other process has to fail on the one that stopped this lane.
type parking struct {
	lane *lane
	held *pipeline.Assignment
}

// isParked tells whether the stream is parked, and lets messages come again
// when it is not.
func (p *parking) isParked() bool {
	if p.held.Stop(p.lane.source.Stream) < math.MaxInt64 {
		return true
	}
	p.lane.unhalt()
	return false
}

// lookAgainWhenDue is how soon a lane that is due looks again whether messages
// before the one at which the stream was parked have been acknowledged, or
// others have arrived.
const lookAgainWhenDue = 10 * time.Millisecond

// readTrial returns the one message of a trial, or nil if it cannot begin yet.
func (p *parking) readTrial() (*pipeline.Batch, error) {
	l := p.lane
	from, due := p.held.Due(l.source.Stream)
	if !due {
		l.halt()
		return nil, nil //nolint:nilnil // documented: not yet
	}
	if !l.takeBack(from) {
		return nil, nil //nolint:nilnil // documented: not yet
	}
	l.unhalt()
	b, err := l.takeReady(1)
	if b != nil {
		p.held.Try(l.source.Stream)
		if from.Next >= 0 {
			b.Starts = []pipeline.Position{from}
		}
	}
	return b, err
}

// awaitChange returns when it is time to look again.
func (p *parking) awaitChange(ctx context.Context) error {
	var again <-chan time.Time
	if _, due := p.held.Due(p.lane.source.Stream); due {
		timer := time.NewTimer(lookAgainWhenDue)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-p.held.Changed():
	case <-again:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// halt asks for no more messages, and gives back to processes that share the
// consumer those that nobody has read.
func (l *lane) halt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.halted {
		return
	}
	l.halted = true
	if !l.source.Shared {
		return // nobody else could read them, and they would come out of order
	}
	l.endSession()
	for _, d := range l.ready {
		l.giveBack(d)
	}
	l.ready, l.bytes = nil, 0
}

// unhalt undoes halt.
func (l *lane) unhalt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.halted {
		l.halted = false
		if l.session != nil {
			l.session.askForMore()
		}
		signalOnce(l.attend)
	}
}

// takeBack makes the messages that were read and not committed ready to be read
// again: the stream was parked at the first of them. It returns false while
// messages before that one are still to be committed.
func (l *lane) takeBack(from pipeline.Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.taken) == 0 {
		return true
	}
	if from.Next >= 0 && int64(l.taken[0].sequence) != from.Next {
		return false
	}
	again := slices.Clone(unjoinAll(l.taken))
	for _, d := range again {
		l.bytes += d.size
		d.before = nil
	}
	l.ready = append(again, l.ready...)
	l.taken = nil
	return true
}
