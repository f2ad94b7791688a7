package membership

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// checkPatience is how long Check tries a coordinator that is away or busy.
const checkPatience = 15 * time.Second

// Check finds out whether a group would take a member, before anything is
// opened for it: whether the group is used by another program, whether the
// session is one that the brokers accept, and whether this process may be a
// member. It changes nothing. The Holder may be nil.
func Check(ctx context.Context, o Options) error {
	o.Holder = nobody{}
	m, err := New(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	waits := retry.Policy{First: 4 * time.Millisecond, Longest: time.Second}.Begin()
	for {
		err := m.checkOnce(ctx)
		if err == nil || !isPassing(m.Coordinator, err) {
			return m.nameLimit(err)
		}
		if waits.Wait(ctx) != nil {
			return err
		}
	}
}

func (m *Member) checkOnce(ctx context.Context) error {
	if err := m.checkGroup(ctx); err != nil || m.Consumer {
		return err
	}
	// A coordinator judges a join before it looks for the member. It knows none
	// of this id, so the group does not change. Without an id it would begin to
	// wait for a member, and a round would follow when that does not come.
	id := Identity{Group: m.Group, Member: "check-" + rand.Text(), Generation: -1}
	res, err := m.Coordinator.Ask(ctx, m.joinRequest(id, "a check"), 5, 9, describeLimit)
	if err != nil {
		return err
	}
	switch code := kafkago.Error(res.(*kmsg.JoinGroupResponse).ErrorCode); {
	case code == 0, code == codeUnknownMember:
		return nil
	case code == codeGroupMaxSizeReached && m.Instance != "":
		return nil // this instance may be a member already
	case code == codeInconsistentProtocol:
		return m.nameForeign(ctx, code)
	default:
		if !isRefusal(code) {
			m.Coordinator.NoteMoved()
		}
		return code
	}
}

// HasMembers asks once whether a group has members, of either protocol. The
// Holder may be nil.
func HasMembers(ctx context.Context, o Options) (bool, error) {
	o.Holder = nobody{}
	m, err := New(o)
	if err != nil {
		return false, err
	}
	g, err := m.describeGroup(ctx)
	if err != nil || len(g.Members) > 0 {
		return err == nil, err
	}
	dealt, err := m.askDealtByBroker(ctx)
	return dealt != nil, err
}

// nameLimit names the brokers' setting that a session breaks.
func (m *Member) nameLimit(err error) error {
	if err == codeSessionTimeout {
		return fmt.Errorf("session=%v is not between the brokers' group.min.session.timeout.ms and "+
			"group.max.session.timeout.ms: %w", m.Session, err)
	}
	return err
}

// nobody is the Holder of a member that never joins.
type nobody struct{}

func (nobody) Take([]Assigned) {}

func (nobody) Release(context.Context, []Partition) {}

func (nobody) Drop([]Partition) {}
