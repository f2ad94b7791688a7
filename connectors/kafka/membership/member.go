package membership

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Identity is how a member commits. Coordinators refuse commits of a member or
// a generation that is not theirs.
type Identity struct {
	Group      string
	Member     string
	Instance   string // empty if the membership is dynamic
	Generation int32  // -1 before the first round
}

// Member is the membership of this process in one group. Run is called once;
// the other methods may be called by any goroutine.
type Member struct {
	Options
	lease *lease
	beats heartbeats
	silence
	census
	holding

	mu       sync.Mutex
	identity Identity
	joining  bool            // a round is under way, so the identity may be outdated
	changed  chan struct{}   // closed when anything here changes
	rejoin   string          // why to join again; empty if there is no reason
	dealt    int32           // the generation that dealt the partitions that are held
	loss     context.Context //nolint:containedctx // of the present life
	lose     context.CancelCauseFunc

	// Of the leader:
	leading bool
	waiting int              // partitions that somebody has yet to release
	dealtAt time.Time        // when the partitions were dealt, for every member
	planned map[string]int32 // partitions that were dealt, by topic

	joined      bool      // has been a member, or is one
	names       []string  // of topics, as Match returned them last
	fencedSince time.Time // see noteFenced; zero if there is no doubt
	former      []string  // ids that this process had, the last ones

	// When a request was sent that found the group without a join phase, or
	// ended one: the next join phase began later.
	settled time.Time
	asked   time.Time // when the request of the round that is under way was sent
	resend  context.CancelFunc
}

// New returns a Member that has yet to join.
func New(o Options) (*Member, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("kafka group %s: %w", o.Group, err)
	}
	m := &Member{
		Options: o, lease: newLease(min(o.Session, o.Rebalance)), changed: make(chan struct{}),
		names:    o.Topics,
		identity: Identity{Group: o.Group, Instance: o.Instance, Generation: -1}, dealt: -1,
	}
	m.holding.init(o.Holder)
	m.beats.initBeats()
	m.census.tell = make(chan count, 1)
	m.loss, m.lose = context.WithCancelCause(context.Background())
	return m, nil
}

// Run keeps the membership until ctx is done, and then returns nil without
// leaving the group: see Leave. It tells the Holder of partitions, but not of
// those that are held when ctx ends. An error is about this member's
// configuration, and comes before the first round only, or it is
// ErrInstanceTaken.
func (m *Member) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	run := m.runClassic
	if m.Consumer {
		run = m.runConsumer
	} else {
		helpers.Go(func() { m.sendHeartbeats(ctx) })
		helpers.Go(func() { m.watchTopics(ctx) })
		helpers.Go(func() { m.census.tellAll(ctx, m.lease, m.NoteMembers) })
	}
	if err := run(ctx); err != nil {
		return fmt.Errorf("kafka group %s: %w", m.Group, err)
	}
	return nil
}

// Identity returns the identity to commit with now.
func (m *Member) Identity() Identity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.identity
}

// Holds tells whether all of some partitions are this member's.
func (m *Member) Holds(partitions []Partition) bool { return m.holding.holdsAll(partitions) }

// AwaitLease returns a context that ends when the partitions may be another
// member's: with ErrLapsed near the end of a session without an answer, and
// with ErrNotHeld when the membership is lost. If that is so now, it waits.
func (m *Member) AwaitLease(ctx context.Context) (context.Context, error) {
	return m.lease.awaitNext(ctx)
}

// Renew is called when a commit of some partitions was refused because of the
// identity or a round. It returns the identity with which to send the same
// commit again, once the coordinator and this member agree on it. ErrNotHeld
// says that the partitions are not this member's any more. A user that is
// refused again under one identity gives up after some times.
//
// The leader gives nobody a partition that this member still claims, so a
// commit of the generation before counts in the next one as well.
func (m *Member) Renew(ctx context.Context, used Identity, partitions []Partition) (Identity, error) {
	waited := false
	for {
		m.mu.Lock()
		now, joining, changed, loss := m.identity, m.joining, m.changed, m.loss
		m.mu.Unlock()
		switch {
		case loss.Err() != nil || now.Member != used.Member || !m.holding.holdsAll(partitions):
			return now, ErrNotHeld
		case now != used:
			return now, nil
		case !joining && waited:
			return now, nil
		case !joining:
			waited = true
			if err := m.Probe(ctx); err != nil {
				return now, err
			}
			continue
		}
		waited = true
		select {
		case <-changed:
		case <-ctx.Done():
			return now, context.Cause(ctx)
		}
	}
}

// setState changes the state under the lock and wakes those that wait for it.
func (m *Member) setState(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	close(m.changed)
	m.changed = make(chan struct{})
}

// requestRejoin asks for another round.
func (m *Member) requestRejoin(reason string) {
	m.setState(func() {
		if m.rejoin == "" {
			m.rejoin = reason
		}
	})
}

// noteLoss ends everything that is done as the member that this process was.
// The cause is ErrNotHeld, or an error that ends Run. An answer to a request of
// an earlier identity says nothing.
func (m *Member) noteLoss(of Identity, cause error) {
	m.setState(func() {
		if m.identity.Member == of.Member && m.identity.Generation == of.Generation {
			m.lose(cause)
		}
	})
}

// resetIdentity begins a new life after a loss. The id is given up as well
// unless the coordinator still knows it.
func (m *Member) resetIdentity(keepID bool) {
	m.lease.endNow(ErrNotHeld)
	m.holding.dropAll()
	m.setState(func() {
		if !keepID {
			m.noteFormer(m.identity.Member)
			m.identity.Member = ""
		}
		m.identity.Generation, m.joining, m.leading, m.rejoin, m.dealt = -1, false, false, "", -1
		m.fencedSince = time.Time{}
		m.loss, m.lose = context.WithCancelCause(context.Background())
	})
}

// lossOf returns the context of the present life.
func (m *Member) lossOf() context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loss
}

// bothOf returns a context that ends with ctx, and with the present life.
func (m *Member) bothOf(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	loss := m.lossOf()
	stop := context.AfterFunc(loss, func() { cancel(context.Cause(loss)) })
	return ctx, func() { stop(); cancel(nil) }
}

// awaitRejoin waits for a reason to join again, a loss or the end.
func (m *Member) awaitRejoin(ctx context.Context) (reason string) {
	for {
		m.mu.Lock()
		reason, changed := m.rejoin, m.changed
		m.rejoin = ""
		m.mu.Unlock()
		if reason != "" {
			return reason
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ""
		}
	}
}
