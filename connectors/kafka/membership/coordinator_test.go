package membership

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinator is a group as Kafka's own code keeps it (GroupMetadataManager,
// classic groups), for one group and in one process. Its time is that of the
// test's bubble.
type coordinator struct {
	t        *testing.T
	session  time.Duration // the least that it accepts
	protocol string        // of members of another program; empty if there are none
	consumer bool          // they are in a group whose partitions the broker deals

	mu         sync.Mutex
	state      string
	generation int32
	members    map[string]*fakeMember
	statics    map[string]string // member by instance
	leader     string
	nextID     int
	rounds     int
	deadline   *time.Timer // of the join phase
	downUntil  time.Time   // the coordinator does not answer
	links      []*link
}

type fakeMember struct {
	id, instance       string
	metadata           []byte
	session, rebalance time.Duration
	join               chan *kmsg.JoinGroupResponse // waits for the end of the join phase
	sync               chan *kmsg.SyncGroupResponse
	assignment         []byte
	expiry             *time.Timer
	fresh              bool // an id was given, and the member has not joined with it
}

func (m *fakeMember) stopExpiry() {
	if m.expiry != nil {
		m.expiry.Stop()
	}
}

func newCoordinator(t *testing.T) *coordinator {
	return &coordinator{
		t: t, state: "Empty", members: map[string]*fakeMember{}, statics: map[string]string{}, session: 6 * time.Second,
	}
}

// link is one process's way to the coordinator.
type link struct {
	*coordinator
	mu  sync.Mutex
	cut bool // nothing arrives
	// A broker that does not know that it is the coordinator no more answers
	// instead, and knows another member of each instance.
	stale bool
	lose  int16
	seen  []int16
	last  map[int16]kmsg.Request
}

func (c *coordinator) link() *link {
	l := &link{coordinator: c, last: map[int16]kmsg.Request{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links = append(c.links, l)
	return l
}

func (l *link) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *link) setStale(stale bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = stale
}

func (l *link) count(key int16) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.seen {
		if k == key {
			n++
		}
	}
	return n
}

var errDown = fmt.Errorf("coordinator: %w", io.EOF)

// Ask implements Coordinator.
func (l *link) Ask(ctx context.Context, req kmsg.Request, least, most int16, limit time.Duration) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	l.mu.Lock()
	cut, stale := l.cut, l.stale
	l.seen = append(l.seen, req.Key())
	l.last[req.Key()] = req
	l.mu.Unlock()
	if cut {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	select { // the way there
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	req.SetVersion(most)
	if res := req.ResponseKind(); stale {
		switch res := res.(type) {
		case *kmsg.HeartbeatResponse:
			res.ErrorCode = int16(codeFencedInstance)
			return res, nil
		case *kmsg.SyncGroupResponse:
			res.ErrorCode = int16(codeFencedInstance)
			return res, nil
		case *kmsg.DescribeGroupsResponse:
			l.describe(res, "another")
			return res, nil
		}
	}
	res, err := l.answer(ctx, req)
	l.mu.Lock()
	lost := l.lose == req.Key()
	if lost {
		l.lose = 0
	}
	l.mu.Unlock()
	if lost {
		return nil, errDown
	}
	return res, err
}

func (l *link) NoteMoved() {}

func (l *link) NoteDoubt() {}

func (l *link) MayPass(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded)
}

func (c *coordinator) answer(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	res := req.ResponseKind()
	c.mu.Lock()
	down := time.Now().Before(c.downUntil)
	c.mu.Unlock()
	if down {
		return nil, errDown
	}
	switch r := req.(type) {
	case *kmsg.DescribeGroupsRequest:
		c.describe(res.(*kmsg.DescribeGroupsResponse), "")
	case *kmsg.ConsumerGroupDescribeRequest:
		c.describeConsumer(res.(*kmsg.ConsumerGroupDescribeResponse))
	case *kmsg.JoinGroupRequest:
		return c.handleJoin(ctx, r, res.(*kmsg.JoinGroupResponse))
	case *kmsg.SyncGroupRequest:
		return c.handleSync(ctx, r, res.(*kmsg.SyncGroupResponse))
	case *kmsg.HeartbeatRequest:
		c.mu.Lock()
		defer c.mu.Unlock()
		res.(*kmsg.HeartbeatResponse).ErrorCode = int16(c.heartbeat(r))
	case *kmsg.LeaveGroupRequest:
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, m := range r.Members {
			id := m.MemberID
			if m.InstanceID != nil {
				id = c.statics[*m.InstanceID]
			}
			if f := c.members[id]; f != nil {
				c.remove(f)
			}
		}
	default:
		c.t.Errorf("request %T", req)
	}
	return res, nil
}

// describe describes the group. Static members have an id of their own, or the
// one that is given.
func (c *coordinator) describe(res *kmsg.DescribeGroupsResponse, as string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := kmsg.NewDescribeGroupsResponseGroup()
	g.State, g.ProtocolType, g.Protocol = c.state, "consumer", protocolName
	for instance, id := range c.statics {
		m := kmsg.NewDescribeGroupsResponseGroupMember()
		m.MemberID, m.InstanceID = id, &instance
		if as != "" {
			m.MemberID = as
		}
		g.Members = append(g.Members, m)
	}
	switch {
	case c.consumer:
		g.State, g.Protocol = "Dead", ""
	case c.protocol != "":
		g.State, g.Protocol = "Stable", c.protocol
	case len(c.members) == 0:
		g.State = "Empty"
	}
	res.Groups = append(res.Groups, g)
}

func (c *coordinator) describeConsumer(res *kmsg.ConsumerGroupDescribeResponse) {
	g := kmsg.NewConsumerGroupDescribeResponseGroup()
	if g.State = "Dead"; c.consumer {
		g.State, g.AssignorName = "Stable", "uniform"
		g.Members = append(g.Members, kmsg.NewConsumerGroupDescribeResponseGroupMember())
	}
	res.Groups = append(res.Groups, g)
}

// check returns the code for a request of a member.
func (c *coordinator) check(id string, instance *string, generation int32) kafkago.Error {
	if instance != nil {
		switch known := c.statics[*instance]; {
		case known == "":
			return codeUnknownMember
		case known != id:
			return codeFencedInstance
		}
	}
	switch {
	case c.members[id] == nil:
		return codeUnknownMember
	case generation != c.generation:
		return codeIllegalGeneration
	}
	return 0
}

func (c *coordinator) heartbeat(r *kmsg.HeartbeatRequest) kafkago.Error {
	if code := c.check(r.MemberID, r.InstanceID, r.Generation); code != 0 {
		return code
	}
	c.touch(c.members[r.MemberID])
	if c.state == "PreparingRebalance" {
		return codeRebalance
	}
	return 0
}

// commit is a plain commit, or one in a transaction.
func (c *coordinator) commit(id Identity, transaction bool) kafkago.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if code := c.check(id.Member, optional(id.Instance), id.Generation); code != 0 {
		return code
	}
	if c.state == "CompletingRebalance" && !transaction {
		return codeRebalance
	}
	c.touch(c.members[id.Member])
	return 0
}

// touch begins a member's session again.
func (c *coordinator) touch(m *fakeMember) {
	m.stopExpiry()
	m.expiry = time.AfterFunc(m.session, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.members[m.id] == m && m.join == nil && m.sync == nil {
			c.remove(m)
		}
	})
}

func (c *coordinator) remove(m *fakeMember) {
	m.stopExpiry()
	delete(c.members, m.id)
	if c.statics[m.instance] == m.id {
		delete(c.statics, m.instance)
	}
	if m.join != nil {
		close(m.join)
		m.join = nil
	}
	if m.sync != nil {
		close(m.sync)
		m.sync = nil
	}
	switch {
	case len(c.members) == 0:
		c.state = "Empty"
	case c.state == "PreparingRebalance":
		c.completeJoin()
	case !m.fresh:
		c.prepare()
	}
}

// prepare begins a join phase.
func (c *coordinator) prepare() {
	for _, m := range c.members {
		if m.sync != nil {
			res := kmsg.NewPtrSyncGroupResponse()
			res.ErrorCode = int16(codeRebalance)
			m.sync <- res
			m.sync = nil
			c.touch(m)
		}
	}
	c.state = "PreparingRebalance"
	c.rounds++
	c.armDeadline()
}

// armDeadline has the join phase end without those that have not come back.
// Static members stay until their session ends; if nobody has come back the
// phase goes on.
func (c *coordinator) armDeadline() {
	longest := time.Duration(0)
	for _, m := range c.members {
		longest = max(longest, m.rebalance)
	}
	round := c.rounds
	c.deadline = time.AfterFunc(max(longest, time.Second), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.state != "PreparingRebalance" || c.rounds != round {
			return
		}
		joined := 0
		for _, m := range c.members {
			if m.join != nil {
				joined++
			} else if m.instance == "" {
				m.stopExpiry()
				delete(c.members, m.id)
			}
		}
		if joined == 0 && len(c.members) > 0 {
			c.armDeadline()
			return
		}
		c.finishJoin()
	})
}

// completeJoin ends the join phase if all members have joined.
func (c *coordinator) completeJoin() {
	for _, m := range c.members {
		if m.join == nil && !m.fresh {
			return
		}
	}
	c.finishJoin()
}

func (c *coordinator) finishJoin() {
	c.deadline.Stop()
	if len(c.members) == 0 {
		c.state = "Empty"
		return
	}
	c.generation++
	c.state = "CompletingRebalance"
	if l := c.members[c.leader]; l == nil || l.join == nil {
		c.leader = ""
	}
	ids := []string{}
	for id, m := range c.members {
		if m.join != nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if c.leader == "" && len(ids) > 0 {
		c.leader = ids[0]
	}
	for _, id := range ids {
		m := c.members[id]
		c.touch(m)
		m.join <- c.joined(m)
		m.join = nil
	}
}

func (c *coordinator) joined(m *fakeMember) *kmsg.JoinGroupResponse {
	res := kmsg.NewPtrJoinGroupResponse()
	res.Version = 9
	res.Generation, res.LeaderID, res.MemberID, res.Protocol = c.generation, c.leader, m.id, optional(protocolName)
	if m.id == c.leader {
		for _, other := range c.members {
			if other.fresh {
				continue
			}
			r := kmsg.NewJoinGroupResponseMember()
			r.MemberID, r.ProtocolMetadata = other.id, other.metadata
			res.Members = append(res.Members, r)
		}
	}
	return res
}

func (c *coordinator) handleJoin(ctx context.Context, r *kmsg.JoinGroupRequest, res *kmsg.JoinGroupResponse) (kmsg.Response, error) {
	c.mu.Lock()
	fail := func(code kafkago.Error) (kmsg.Response, error) {
		c.mu.Unlock()
		res.ErrorCode = int16(code)
		return res, nil
	}
	session := time.Duration(r.SessionTimeoutMillis) * time.Millisecond
	if session < c.session {
		return fail(codeSessionTimeout)
	}
	if c.protocol != "" {
		return fail(codeInconsistentProtocol)
	}
	m := c.members[r.MemberID]
	switch {
	case r.MemberID == "" && r.InstanceID == nil:
		m = &fakeMember{id: c.newID(), fresh: true, session: session}
		c.members[m.id] = m
		c.touch(m)
		res.MemberID = m.id
		return fail(codeMemberIDRequired)
	case r.MemberID == "" && c.statics[*r.InstanceID] != "" && c.state == "Stable": // a static member that comes back
		return c.replaceStatic(r, res)
	case r.MemberID == "" && c.statics[*r.InstanceID] != "": // in the middle of a round
		old := c.members[c.statics[*r.InstanceID]]
		old.stopExpiry()
		delete(c.members, old.id)
		m = &fakeMember{
			id: c.newID(), instance: old.instance, session: session,
			rebalance: time.Duration(r.RebalanceTimeoutMillis) * time.Millisecond,
		}
		c.members[m.id], c.statics[m.instance] = m, m.id
		if c.leader == old.id {
			c.leader = m.id
		}
	case r.MemberID == "":
		m = &fakeMember{id: c.newID(), instance: *r.InstanceID, fresh: true, session: session}
		c.members[m.id], c.statics[m.instance] = m, m.id
	case r.InstanceID != nil && c.statics[*r.InstanceID] != "" && c.statics[*r.InstanceID] != r.MemberID:
		return fail(codeFencedInstance)
	case m == nil:
		return fail(codeUnknownMember)
	}
	same := slices.Equal(m.metadata, r.Protocols[0].Metadata) && !m.fresh
	m.metadata, m.session, m.rebalance = r.Protocols[0].Metadata, session, time.Duration(r.RebalanceTimeoutMillis)*time.Millisecond
	m.fresh = false
	if c.state == "Stable" && same && m.id != c.leader || c.state == "CompletingRebalance" && same {
		answer := c.joined(m)
		c.touch(m)
		c.mu.Unlock()
		return answer, nil
	}
	if c.state != "PreparingRebalance" {
		c.prepare()
	}
	wait := make(chan *kmsg.JoinGroupResponse, 1)
	m.join = wait
	c.completeJoin()
	c.mu.Unlock()
	select {
	case answer, ok := <-wait:
		if !ok {
			res.ErrorCode = int16(codeUnknownMember)
			return res, nil
		}
		return answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// replaceStatic gives a static member a new id, in the same generation
// (KIP-345, KIP-814). c.mu is held.
func (c *coordinator) replaceStatic(r *kmsg.JoinGroupRequest, res *kmsg.JoinGroupResponse) (kmsg.Response, error) {
	defer c.mu.Unlock()
	old := c.members[c.statics[*r.InstanceID]]
	m := &fakeMember{
		id: c.newID(), instance: old.instance, metadata: r.Protocols[0].Metadata, assignment: old.assignment,
		session:   time.Duration(r.SessionTimeoutMillis) * time.Millisecond,
		rebalance: time.Duration(r.RebalanceTimeoutMillis) * time.Millisecond,
	}
	old.stopExpiry()
	delete(c.members, old.id)
	c.members[m.id], c.statics[m.instance] = m, m.id
	if c.leader == old.id {
		c.leader = m.id
	}
	c.touch(m)
	answer := c.joined(m)
	answer.SkipAssignment = m.id == c.leader
	return answer, nil
}

func (c *coordinator) newID() string {
	c.nextID++
	return fmt.Sprintf("id%03d", c.nextID)
}

func (c *coordinator) handleSync(ctx context.Context, r *kmsg.SyncGroupRequest, res *kmsg.SyncGroupResponse) (kmsg.Response, error) {
	c.mu.Lock()
	fail := func(code kafkago.Error) (kmsg.Response, error) {
		c.mu.Unlock()
		res.ErrorCode = int16(code)
		return res, nil
	}
	if code := c.check(r.MemberID, r.InstanceID, r.Generation); code != 0 {
		return fail(code)
	}
	m := c.members[r.MemberID]
	switch c.state {
	case "PreparingRebalance":
		return fail(codeRebalance)
	case "Stable":
		c.touch(m)
		c.mu.Unlock()
		res.MemberAssignment = m.assignment
		return res, nil
	}
	wait := make(chan *kmsg.SyncGroupResponse, 1)
	m.sync = wait
	if m.id == c.leader {
		for _, a := range r.GroupAssignment {
			if to := c.members[a.MemberID]; to != nil {
				to.assignment = a.MemberAssignment
			}
		}
		c.state = "Stable"
		for _, other := range c.members {
			c.touch(other)
			if other.sync != nil {
				answer := kmsg.NewPtrSyncGroupResponse()
				answer.MemberAssignment = other.assignment
				other.sync <- answer
				other.sync = nil
			}
		}
	}
	c.mu.Unlock()
	select {
	case answer, ok := <-wait:
		if !ok {
			res.ErrorCode = int16(codeUnknownMember)
			return res, nil
		}
		return answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
