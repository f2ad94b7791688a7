package membership

import (
	"context"
	"errors"
	"slices"
	"time"
)

// errFenceDoubt says that a coordinator knows another process of this member's
// instance, and has not said so for long enough to be believed.
var errFenceDoubt = errors.New("the coordinator knows another process of this instance")

// doubtsPerSession sets how long a coordinator must say that another process
// has this member's instance until it is believed: the session divided by it.
const doubtsPerSession = 10

// noteFenced notes an answer that says that another process uses this member's
// instance, and returns what it means: errFenceDoubt, or a loss. Nothing is read
// or written any more, and the answer is believed when it has been the only one
// for a while: a broker that was stopped or cut off, and goes on, answers for
// a group that another broker has by now, and does not know a member that has
// joined there.
func (m *Member) noteFenced(ctx context.Context, id Identity) error {
	m.mu.Lock()
	if m.identity.Member != id.Member {
		m.mu.Unlock()
		return errFenceDoubt // it is about an earlier life
	}
	now := time.Now()
	if m.fencedSince.IsZero() {
		m.fencedSince = now
	}
	lasting := now.Sub(m.fencedSince) >= m.Session/doubtsPerSession
	m.mu.Unlock()
	m.lease.endNow(errFenceDoubt)
	m.Coordinator.NoteDoubt()
	if !lasting {
		return errFenceDoubt
	}
	meaning := m.findRival(ctx)
	if meaning != errFenceDoubt {
		m.noteLoss(id, meaning)
	}
	return meaning
}

// findRival asks who has this member's instance. It returns ErrInstanceTaken if
// that is another process, and ErrNotHeld if it is this one under an id of
// before: a coordinator that was cut off has expelled it and taken it in again,
// and the next coordinator has not heard of either.
func (m *Member) findRival(ctx context.Context) error {
	g, err := m.describeGroup(ctx)
	switch {
	case err != nil && (ctx.Err() != nil || isPassing(m.Coordinator, err)):
		return errFenceDoubt
	case err != nil:
		return ErrInstanceTaken // nobody tells more
	}
	for i := range g.Members {
		if has := &g.Members[i]; has.InstanceID != nil && *has.InstanceID == m.Instance {
			return m.judgeRival(has.MemberID)
		}
	}
	return errFenceDoubt // it has gone again
}

// judgeRival tells what it means that a member has this member's instance.
func (m *Member) judgeRival(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case id == m.identity.Member:
		return errFenceDoubt // this coordinator knows us
	case slices.Contains(m.former, id):
		return ErrNotHeld
	}
	return ErrInstanceTaken
}

// maxFormer is how many of its ids of before a member remembers. Coordinators
// forget members with their session.
const maxFormer = 32

// noteFormer remembers an id that this member gives up. m.mu is held.
func (m *Member) noteFormer(id string) {
	if id == "" {
		return
	}
	if len(m.former) == maxFormer {
		m.former = slices.Delete(m.former, 0, 1)
	}
	m.former = append(m.former, id)
}

// endDoubt notes that the coordinator knows this member.
func (m *Member) endDoubt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fencedSince = time.Time{}
}
