package membership

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerMargin is how much longer than the rebalance timeout an answer to a
// join may take.
const answerMargin = 5 * time.Second

// joinAndSync takes part in one round and returns the assignment.
func (m *Member) joinAndSync(ctx context.Context, reason string) (assignment, error) {
	m.census.expireCount()
	joined, err := m.joinGroup(ctx, reason)
	if err != nil {
		return assignment{}, err
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	id := m.Identity()
	sync.Group, sync.Generation = id.Group, id.Generation
	sync.MemberID, sync.InstanceID = id.Member, optional(id.Instance)
	sync.ProtocolType, sync.Protocol = optional(protocolType), optional(protocolName)
	if m.isLeader(joined) {
		if sync.GroupAssignment, err = m.planRound(ctx, joined); err != nil {
			return assignment{}, err
		}
	}
	sent := time.Now()
	res, err := m.askRound(ctx, sync, 3, 5)
	if err != nil {
		return assignment{}, err
	}
	answer := res.(*kmsg.SyncGroupResponse)
	if err := m.judgeCode(ctx, id, answer.ErrorCode); err != nil {
		return assignment{}, err
	}
	m.noteSettled(sent)
	m.census.release()
	given, err := decodeAssignment(answer.MemberAssignment)
	if err != nil {
		return assignment{}, fmt.Errorf("assignment: %w", err)
	}
	m.notePlan(joined, given)
	return given, nil
}

// joinGroup sends JoinGroup until the coordinator has given this member a
// generation.
func (m *Member) joinGroup(ctx context.Context, reason string) (*kmsg.JoinGroupResponse, error) {
	for {
		m.matchTopics(ctx)
		id := m.Identity()
		sent := time.Now()
		res, err := m.askRound(ctx, m.joinRequest(id, reason), 5, 9)
		if err != nil {
			return nil, err
		}
		answer := res.(*kmsg.JoinGroupResponse)
		if kafkago.Error(answer.ErrorCode) == codeMemberIDRequired && answer.MemberID != id.Member {
			m.setState(func() { m.identity.Member = answer.MemberID })
			continue
		}
		if err := m.judgeCode(ctx, id, answer.ErrorCode); err != nil {
			return nil, m.nameForeign(ctx, err)
		}
		if id.Generation >= 0 {
			m.noteSettled(sent)
		}
		m.setState(func() {
			m.identity.Member, m.identity.Generation = answer.MemberID, answer.Generation
			m.leading = false
		})
		return answer, nil
	}
}

// askRound sends a request of a round. The answer to a join waits for the other
// members, and that to a sync for the leader.
func (m *Member) askRound(ctx context.Context, req kmsg.Request, least, most int16) (kmsg.Response, error) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	m.mu.Lock()
	m.asked, m.resend = time.Now(), cancel
	m.mu.Unlock()
	res, err := m.Coordinator.Ask(limited, req, least, most, m.Rebalance+answerMargin)
	m.mu.Lock()
	m.resend = nil
	m.mu.Unlock()
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil, errUnanswered
	}
	return res, err
}

func (m *Member) joinRequest(id Identity, reason string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.InstanceID = id.Group, id.Member, optional(id.Instance)
	req.SessionTimeoutMillis = int32(m.Session.Milliseconds())
	req.RebalanceTimeoutMillis = int32(m.Rebalance.Milliseconds())
	req.ProtocolType, req.Reason = protocolType, optional(reason)
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name = protocolName
	m.mu.Lock()
	dealt, names := m.dealt, m.names // a coordinator starts a round if these bytes change
	m.mu.Unlock()
	p.Metadata = encodeSubscription(names, m.holding.listHeld(), dealt, m.Process)
	req.Protocols = append(req.Protocols, p)
	return req
}

// judgeCode returns the error of an answer. A loss is noted.
func (m *Member) judgeCode(ctx context.Context, id Identity, code int16) error {
	switch e := kafkago.Error(code); e {
	case 0:
		return nil
	case codeFencedInstance:
		return m.noteFenced(ctx, id)
	case codeUnknownMember, codeIllegalGeneration:
		// A member that missed a round has lost its partitions with it.
		m.noteLoss(m.Identity(), ErrNotHeld)
		return ErrNotHeld
	case codeRebalance:
		return e
	default:
		if !isRefusal(e) {
			m.Coordinator.NoteMoved()
		}
		return e
	}
}

// isLeader tells whether this member deals in this round.
func (m *Member) isLeader(joined *kmsg.JoinGroupResponse) bool {
	return joined.LeaderID == joined.MemberID && !joined.SkipAssignment && len(joined.Members) > 0
}

// planRound deals the partitions of all topics out, for the sync of the leader.
func (m *Member) planRound(
	ctx context.Context, joined *kmsg.JoinGroupResponse,
) ([]kmsg.SyncGroupRequestGroupAssignment, error) {
	topics := make(map[string]bool)
	var members []memberView
	for i := range joined.Members {
		view, err := decodeSubscription(joined.Members[i].MemberID, joined.Members[i].ProtocolMetadata)
		if err != nil {
			m.Log.Warn("kafka: a member's subscription cannot be read, it gets nothing", "group", m.Group, "error", err)
			view.topics = nil
		}
		maps.Copy(topics, view.topics)
		members = append(members, view)
	}
	m.census.hold(members)
	f, err := m.findFacts(ctx, slices.Sorted(maps.Keys(topics)))
	if err != nil {
		return nil, err
	}
	round, target := dealPartitions(members, f.Partitions)
	for id := range target {
		f.Waiting += len(target[id]) - len(round[id])
	}
	var out []kmsg.SyncGroupRequestGroupAssignment
	for i := range members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID = members[i].id
		if a.MemberAssignment, err = encodeAssignment(round[members[i].id], f); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	m.Log.Info("kafka: this member leads the group", "group", m.Group, "generation", joined.Generation,
		"members", len(members), "topics", len(f.Partitions), "waiting", f.Waiting)
	return out, nil
}

// findFacts asks for the facts that the leader sends with each assignment.
func (m *Member) findFacts(ctx context.Context, topics []string) (f facts, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.Rebalance/2)
	defer cancel()
	if f.Partitions, err = m.Layout.CountPartitions(ctx, topics); err != nil {
		return f, err
	}
	if f.Fresh, err = m.Layout.FindFresh(ctx, f.Partitions); err != nil {
		return f, err
	}
	if f.Partitions == nil {
		f.Partitions = map[string]int32{}
	}
	return f, nil
}

// notePlan notes whether this member watches the topics, and from which numbers
// of partitions on.
func (m *Member) notePlan(joined *kmsg.JoinGroupResponse, given assignment) {
	leads := joined.LeaderID == joined.MemberID
	if leads && m.Instance != "" && joined.Version < 9 {
		m.Log.Warn("kafka: a static member that leads needs Kafka 3.2 to see added partitions by itself",
			"group", m.Group)
	}
	if !given.known && len(given.partitions) > 0 {
		m.Log.Warn("kafka: another program has dealt the partitions of the group", "group", m.Group)
	}
	m.beats.hurry(given.facts.Waiting > 0)
	m.setState(func() {
		m.leading, m.planned, m.waiting = leads && given.known, given.facts.Partitions, given.facts.Waiting
	})
}

// nameForeign finds out who else is in a group that takes no member of ours.
func (m *Member) nameForeign(ctx context.Context, err error) error {
	if !errors.Is(err, codeInconsistentProtocol) {
		return err
	}
	if found := m.checkGroup(ctx); found != nil {
		return found
	}
	return &ForeignGroupError{Group: m.Group, Protocol: "another protocol"}
}
