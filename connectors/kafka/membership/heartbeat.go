package membership

import (
	"context"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// heartbeats counts the heartbeats that were asked for out of turn.
type heartbeats struct {
	poke chan struct{} // has an entry when one is due now

	mu     sync.Mutex
	often  bool          // another round follows soon
	wanted int           // by number
	done   int           // the last one that was answered
	news   chan struct{} // closed when done has moved
}

func (b *heartbeats) initBeats() {
	b.poke, b.news = make(chan struct{}, 1), make(chan struct{})
}

func (b *heartbeats) requestBeat() (number int) {
	b.mu.Lock()
	b.wanted++
	number = b.wanted
	b.mu.Unlock()
	select {
	case b.poke <- struct{}{}:
	default:
	}
	return number
}

// hurry says whether another round is expected soon.
func (b *heartbeats) hurry(often bool) {
	b.mu.Lock()
	b.often = often
	b.mu.Unlock()
	if often {
		b.requestBeat()
	}
}

// interval returns the time to the next heartbeat.
func (b *heartbeats) interval(session time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.often {
		return session / beatsPerSession / 10
	}
	return session / beatsPerSession
}

func (b *heartbeats) beginBeat() (number int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wanted
}

func (b *heartbeats) finishBeat(number int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = number
	close(b.news)
	b.news = make(chan struct{})
}

func (b *heartbeats) awaitBeat(ctx context.Context, number int) error {
	for {
		b.mu.Lock()
		done, news := b.done, b.news
		b.mu.Unlock()
		if done >= number {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// RequestProbe has the coordinator be asked soon, and does not wait.
func (m *Member) RequestProbe() { m.beats.requestBeat() }

// Probe asks the coordinator now whether this process is a member, and returns
// when it has answered: a loss has been noted then. A process that meets
// another one of its name asks before it fights.
func (m *Member) Probe(ctx context.Context) error {
	return m.beats.awaitBeat(ctx, m.beats.requestBeat())
}

// Heartbeats are sent this many times in a session, and each may take a third
// of it: a silent connection costs one or two of them and not the session.
const (
	beatsPerSession   = 5
	limitsPerSession  = 3
	pauseAfterFailure = 200 * time.Millisecond
)

// sendHeartbeats sends heartbeats until ctx is done. They go on while
// partitions are drained and while a round is under way.
func (m *Member) sendHeartbeats(ctx context.Context) {
	timer := time.NewTimer(m.Session / beatsPerSession)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-m.beats.poke:
		case <-ctx.Done():
			return
		}
		interval := m.beats.interval(m.Session)
		timer.Reset(interval)
		number := m.beats.beginBeat()
		id := m.Identity()
		if id.Generation < 0 {
			m.beats.finishBeat(number)
			continue
		}
		if m.sendHeartbeat(ctx, id) {
			m.beats.finishBeat(number)
		} else {
			timer.Reset(min(interval, pauseAfterFailure))
		}
	}
}

// sendHeartbeat sends one heartbeat and notes the answer. It is false if there
// was none.
func (m *Member) sendHeartbeat(ctx context.Context, id Identity) (answered bool) {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = id.Group, id.Generation, id.Member, optional(id.Instance)
	sent := time.Now()
	res, err := m.Coordinator.Ask(ctx, req, 3, 4, m.Session/limitsPerSession)
	if err != nil {
		if ctx.Err() == nil {
			m.noteSilence(err)
		}
		return false
	}
	m.endSilence()
	return m.noteHeartbeat(ctx, id, sent, kafkago.Error(res.(*kmsg.HeartbeatResponse).ErrorCode))
}

// noteHeartbeat notes the answer to a heartbeat.
func (m *Member) noteHeartbeat(
	ctx context.Context, id Identity, sent time.Time, code kafkago.Error,
) (answered bool) {
	switch code {
	case 0:
		m.noteSettled(sent)
		m.resendLate()
	case codeRebalance:
		m.endDoubt()
		m.lease.extendUpTo(sent, m.joinDeadline())
		if m.isSettled(id) {
			m.requestRejoin("the group changes")
		}
	case codeFencedInstance:
		return m.noteFenced(ctx, id) != errFenceDoubt
	case codeUnknownMember:
		m.noteLoss(id, ErrNotHeld)
	case codeIllegalGeneration:
		// While a round is under way the answer to our own join is on its way.
		if m.isSettled(id) {
			m.noteLoss(id, ErrNotHeld)
		}
		m.resendLate()
	default:
		m.Coordinator.NoteMoved()
		return false
	}
	return true
}

// isSettled tells whether an identity is the present one and no round is under
// way.
func (m *Member) isSettled(id Identity) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.joining && m.identity == id
}

// noteSettled notes an answer that found this member in the present generation,
// and no join phase.
func (m *Member) noteSettled(sent time.Time) {
	m.mu.Lock()
	if sent.After(m.settled) {
		m.settled = sent
	}
	m.fencedSince = time.Time{}
	m.mu.Unlock()
	m.lease.extend(sent)
}

// joinDeadline returns until when the coordinator waits for this member's join
// at least. A member that it has not heard of by then is one no more, although
// its heartbeats were answered well: so the lease ends before.
func (m *Member) joinDeadline() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settled.Add(m.Rebalance - min(leaseMargin, m.Rebalance/5))
}

// resendLate has the request of a round sent again that has been under way for
// long, while heartbeats show that the coordinator does not work on it: it, or
// its answer, was lost.
func (m *Member) resendLate() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.resend != nil && time.Since(m.asked) > m.Session/limitsPerSession {
		m.resend()
	}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
