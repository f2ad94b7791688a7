package membership

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// passingPauses are the waits between rounds that failed because the
// coordinator is away or busy.
var passingPauses = retry.Policy{First: 50 * time.Millisecond, Longest: time.Second}

// refusedPauses are those of a member that the coordinator refuses after it has
// been one: somebody changes rights or the group.
var refusedPauses = retry.Policy{First: time.Second, Longest: time.Minute}

// runClassic joins the group, and again whenever it changes.
func (m *Member) runClassic(ctx context.Context) error {
	passing, refused := passingPauses.Begin(), refusedPauses.Begin()
	for reason := "the process starts"; ctx.Err() == nil; {
		again, err := m.runRound(ctx, reason)
		switch {
		case ctx.Err() != nil:
			continue
		case err == nil:
			passing.Reset()
			refused.Reset()
		case errors.Is(err, ErrInstanceTaken):
			m.resetIdentity(true)
			return fmt.Errorf("instance %s: %w", m.Instance, err)
		case errors.Is(err, ErrNotHeld):
			m.Log.Warn("kafka: the membership was lost", "group", m.Group)
			m.resetIdentity(false)
			reason = "the membership was lost"
			continue
		case errors.Is(err, codeRebalance):
			reason = "the group changes"
			continue
		case m.isHopeless(err):
			return err
		case isPassing(m.Coordinator, err):
			m.logFailure("kafka: joining the group again", passing.Tries(), err)
			m.pauseBetween(ctx, passing)
			continue
		default:
			m.Log.Warn("kafka: the group refuses this member", "group", m.Group, "error", err)
			m.pauseBetween(ctx, refused)
			continue
		}
		reason = again
		if reason == "" {
			reason = m.awaitEvent(ctx)
		}
	}
	return nil
}

// awaitEvent waits for a reason to join again. A loss counts as one, which the
// next round notices at once.
func (m *Member) awaitEvent(ctx context.Context) (reason string) {
	both, done := m.bothOf(ctx)
	defer done()
	return m.awaitRejoin(both)
}

// pauseBetween waits before another round, but not beyond a loss.
func (m *Member) pauseBetween(ctx context.Context, waits *retry.Waits) {
	both, done := m.bothOf(ctx)
	defer done()
	_ = waits.Wait(both) // the next round sees the end
}

// isHopeless tells whether an error ends a member that has never joined.
func (m *Member) isHopeless(err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.joined && !isPassing(m.Coordinator, err)
}

// isPassing tells whether the coordinator is away or busy.
func isPassing(c Coordinator, err error) bool {
	var foreign *ForeignGroupError
	switch {
	case errors.As(err, &foreign):
		return false
	case errors.Is(err, errUnanswered), errors.Is(err, errFenceDoubt):
		return true
	}
	if code, ok := errors.AsType[kafkago.Error](err); ok {
		return !isRefusal(code)
	}
	return c.MayPass(err)
}

// logFailure tells of rounds that failed: the first ones are daily business.
func (m *Member) logFailure(text string, tries int, err error) {
	if tries < 5 {
		m.Log.Debug(text, "group", m.Group, "error", err)
	} else {
		m.Log.Warn(text, "group", m.Group, "attempt", tries, "error", err)
	}
}

// runRound joins once, and acts on the assignment. Again is the
// reason for another round; empty if there is none.
func (m *Member) runRound(ctx context.Context, reason string) (again string, err error) {
	ctx, done := m.bothOf(ctx)
	defer done()
	defer func() {
		if loss := m.lossOf(); loss.Err() != nil {
			again, err = "", context.Cause(loss)
		}
	}()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if !m.hasJoined() {
		if err := m.checkGroup(ctx); err != nil {
			return "", err
		}
	}
	start := time.Now()
	m.setState(func() { m.joining = true })
	given, err := m.joinAndSync(ctx, reason)
	if err != nil {
		return "", err // the identity stays in doubt until a round succeeds
	}
	first := false
	m.setState(func() {
		m.joining, m.joined, m.rejoin = false, true, ""
		first = m.dealt < 0
		m.dealt, m.dealtAt = m.identity.Generation, time.Now()
	})
	added, revoked := m.holding.compareHeld(given.partitions)
	m.Log.Info("kafka: partitions assigned", "group", m.Group, "generation", m.Identity().Generation,
		"partitions", len(given.partitions), "added", len(added), "revoked", len(revoked), "took", since(start))
	m.holding.takeUp(toAssigned(added, given.facts))
	switch {
	case len(revoked) > 0:
	case first && m.Instance != "" && given.facts.Waiting > 0:
		// A process of this name has died before it had released the partitions
		// that others wait for.
		return "partitions wait for a process that is gone", nil
	default:
		return "", nil
	}
	m.holding.giveUp(ctx, revoked)
	return fmt.Sprintf("%d partitions were released", len(revoked)), nil
}

func (m *Member) hasJoined() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.joined
}

func toAssigned(partitions []Partition, f facts) []Assigned {
	out := make([]Assigned, len(partitions))
	for i, p := range partitions {
		out[i] = Assigned{Partition: p, Fresh: f.isFresh(p)}
	}
	return out
}

// since returns how long ago a moment was, for the log.
func since(at time.Time) time.Duration { return time.Since(at).Round(time.Millisecond) }
