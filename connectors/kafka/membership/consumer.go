package membership

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The session of this protocol is the broker's, and members are not told it. It
// is 45 s unless the broker is configured otherwise, and a heartbeat is due
// each 5 s. The lease counts on a part of that.
const (
	firstInterval     = time.Second
	intervalsPerLease = 6
)

// consumer is a member in the protocol in which the broker deals (KIP-848).
// Heartbeats carry everything: partitions that are owned, and those to be
// owned as the answer.
type consumer struct {
	*Member
	interval   time.Duration
	told       []Partition // owned, as the coordinator was told last
	full       bool        // the next heartbeat tells everything
	subscribed []string    // topics, as of the last look
	looked     time.Time
	target     []Partition   // to be owned
	released   chan struct{} // has an entry when partitions have been given up; nil if none are
	releases   context.CancelFunc
}

// memberUUID returns the id of a member. It is made by the client, and the same
// after a restart if there is an instance: the coordinator gives a member that
// is still known its partitions back at once. The instance itself is not sent,
// since a static member has to wait for the end of its own session.
func memberUUID(group, instance string) string {
	var id [16]byte
	if instance == "" {
		_, _ = rand.Read(id[:]) // it never fails
	} else {
		sum := sha256.Sum256([]byte(fmt.Sprintf("%d:%s%s", len(group), group, instance)))
		copy(id[:], sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func (m *Member) runConsumer(ctx context.Context) error {
	m.setState(func() {
		m.identity.Member, m.identity.Instance = memberUUID(m.Group, m.Instance), ""
	})
	c := &consumer{Member: m, interval: firstInterval, full: true}
	defer c.endRelease()
	passing, refused := passingPauses.Begin(), refusedPauses.Begin()
	for ctx.Err() == nil {
		err := c.sendBeat(ctx)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			passing.Reset()
			refused.Reset()
			c.awaitDue(ctx)
		case errors.Is(err, ErrNotHeld):
			m.Log.Warn("kafka: the membership was lost", "group", m.Group)
			c.endRelease()
			m.resetIdentity(true)
			c.full, c.told, c.target = true, nil, nil
		case m.isHopeless(err):
			return err
		case isPassing(m.Coordinator, err):
			m.logFailure("kafka: no answer from the group's coordinator", passing.Tries(), err)
			_ = passing.Wait(ctx)
			c.full = true
		default:
			m.Log.Warn("kafka: the group refuses this member", "group", m.Group, "error", err)
			_ = refused.Wait(ctx)
			c.full = true
		}
	}
	return nil
}

// awaitDue waits until the next heartbeat is due: after the interval, when
// partitions have been released, or when somebody asks.
func (c *consumer) awaitDue(ctx context.Context) {
	timer := time.NewTimer(c.interval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.beats.poke:
	case <-c.released:
		c.endRelease()
		c.adoptTarget() // it may have changed meanwhile
	case <-ctx.Done():
	}
}

// sendBeat sends one heartbeat and acts on the answer.
func (c *consumer) sendBeat(ctx context.Context) error {
	if !c.hasJoined() {
		if err := c.checkGroup(ctx); err != nil {
			return err
		}
	}
	number := c.beats.beginBeat()
	id := c.Identity()
	owned := c.holding.listHeld()
	c.lookForTopics(ctx)
	req, err := c.makeRequest(ctx, id, owned)
	if err != nil {
		return err
	}
	sent := time.Now()
	res, err := c.Coordinator.Ask(ctx, req, 0, 1, max(c.interval, time.Second)*2)
	if err != nil {
		return err
	}
	answer := res.(*kmsg.ConsumerGroupHeartbeatResponse)
	err = c.judgeBeat(answer)
	if err == nil {
		c.full, c.told = false, owned
		c.noteBeat(sent, answer)
	}
	c.beats.finishBeat(number)
	if err != nil {
		return err
	}
	if answer.Assignment == nil {
		return nil
	}
	return c.followAssignment(ctx, answer.Assignment)
}

// lookForTopics has the next heartbeat tell everything if other topics are to
// be read now.
func (c *consumer) lookForTopics(ctx context.Context) {
	if c.subscribed != nil && time.Since(c.looked) < c.Watch {
		return
	}
	c.looked = time.Now()
	if names := c.matchTopics(ctx); !slices.Equal(names, c.subscribed) {
		c.subscribed, c.full = names, true
	}
}

func (c *consumer) makeRequest(
	ctx context.Context, id Identity, owned []Partition,
) (*kmsg.ConsumerGroupHeartbeatRequest, error) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch = c.Group, id.Member, max(0, id.Generation)
	req.RebalanceTimeoutMillis = -1
	joins := id.Generation < 0
	if joins || c.full {
		req.RebalanceTimeoutMillis = int32(c.Rebalance.Milliseconds())
		req.SubscribedTopicNames = c.subscribed
	}
	if !joins && !c.full && slices.Equal(owned, c.told) {
		return req, nil
	}
	req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	if joins {
		return req, nil
	}
	for topic, numbers := range groupByTopic(owned) {
		t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
		t.Partitions = numbers
		var err error
		if t.TopicID, err = c.Layout.TopicID(ctx, topic); err != nil {
			return nil, err
		}
		req.Topics = append(req.Topics, t)
	}
	return req, nil
}

// judgeBeat returns the error of an answer.
func (c *consumer) judgeBeat(answer *kmsg.ConsumerGroupHeartbeatResponse) error {
	switch code := kafkago.Error(answer.ErrorCode); code {
	case 0:
		return nil
	case codeUnknownMember, codeFencedMemberEpoch, codeIllegalGeneration:
		c.noteLoss(c.Identity(), ErrNotHeld)
		return ErrNotHeld
	case codeInconsistentProtocol:
		return &ForeignGroupError{Group: c.Group, Protocol: "classic"}
	default:
		if !isRefusal(code) {
			c.Coordinator.NoteMoved()
		}
		return code
	}
}

func (c *consumer) noteBeat(sent time.Time, answer *kmsg.ConsumerGroupHeartbeatResponse) {
	if answer.HeartbeatIntervalMillis > 0 {
		c.interval = time.Duration(answer.HeartbeatIntervalMillis) * time.Millisecond
		c.lease.setLength(c.interval * intervalsPerLease)
	}
	c.lease.extend(sent)
	c.setState(func() {
		c.joined = true
		c.identity.Generation = answer.MemberEpoch
	})
}

// followAssignment takes up and gives up partitions as the coordinator says.
// Partitions that come are free already.
func (c *consumer) followAssignment(ctx context.Context, given *kmsg.ConsumerGroupHeartbeatResponseAssignment) error {
	var target []Partition
	for i := range given.Topics {
		name, err := c.Layout.TopicName(ctx, given.Topics[i].TopicID)
		if err == nil && name == "" {
			err = kafkago.UnknownTopicID // it is not known yet
		}
		if err != nil {
			c.full = true // the assignment is told again
			return err
		}
		for _, n := range given.Topics[i].Partitions {
			target = append(target, Partition{name, n})
		}
	}
	sortPartitions(target)
	c.target = target
	c.adoptTarget()
	return nil
}

// adoptTarget takes up and gives up partitions, as far as no other ones are
// being given up.
func (c *consumer) adoptTarget() {
	added, revoked := c.holding.compareHeld(c.target)
	if len(added)+len(revoked) == 0 {
		return
	}
	c.Log.Info("kafka: partitions assigned", "group", c.Group, "epoch", c.Identity().Generation,
		"partitions", len(c.target), "added", len(added), "revoked", len(revoked))
	c.holding.takeUp(toAssigned(added, facts{}))
	if len(revoked) > 0 && c.released == nil {
		c.beginRelease(revoked)
	}
}

// beginRelease gives up partitions while heartbeats go on.
func (c *consumer) beginRelease(revoked []Partition) {
	ctx, done := c.bothOf(context.Background())
	released := make(chan struct{})
	c.released, c.releases = released, done
	go func() {
		defer close(released)
		c.holding.giveUp(ctx, revoked)
	}()
}

// endRelease waits for a release under way.
func (c *consumer) endRelease() {
	if c.released == nil {
		return
	}
	select {
	case <-c.released:
	default:
		c.releases()
	}
	<-c.released
	c.releases()
	c.released = nil
}

// leaveConsumer leaves the group: epoch -1 says so.
func (m *Member) leaveConsumer(ctx context.Context, id Identity) error {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = id.Group, id.Member, -1, -1
	_, err := m.Coordinator.Ask(ctx, req, 0, 1, leaveLimit)
	return err
}
