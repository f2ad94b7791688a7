package membership

import (
	"errors"
	"time"
)

// errFenceDoubt says that a coordinator knows another process of this member's
// instance, and has not said so for long enough to be believed.
var errFenceDoubt = errors.New("the coordinator knows another process of this instance")

// doubtsPerSession sets how long a coordinator must say that another process
// has this member's instance until it is believed: the session divided by it.
const doubtsPerSession = 10

// noteFenced notes an answer that says that another process uses this member's
// instance. Nothing is read or written any more, and the answer is believed
// when it has been the only one for a while: a broker that was stopped or cut
// off, and goes on, answers for a group that another broker has by now, and
// does not know a member that has joined there.
func (m *Member) noteFenced(id Identity) (believed bool) {
	m.mu.Lock()
	if m.identity.Member != id.Member {
		m.mu.Unlock()
		return false // it is about an earlier life
	}
	now := time.Now()
	if m.fencedSince.IsZero() {
		m.fencedSince = now
	}
	believed = now.Sub(m.fencedSince) >= m.Session/doubtsPerSession
	m.mu.Unlock()
	m.lease.endNow(errFenceDoubt)
	m.Coordinator.NoteDoubt()
	if believed {
		m.noteLoss(id, ErrInstanceTaken)
	}
	return believed
}

// endDoubt notes that the coordinator knows this member.
func (m *Member) endDoubt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fencedSince = time.Time{}
}
