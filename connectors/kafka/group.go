package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// timing is how long things take. Tests shorten it.
type timing struct {
	transaction time.Duration // until a transaction is closed
	timeout     time.Duration // until the brokers abort one that was left open
	pause       time.Duration // between two fetches, before the topic is looked at again
	// How a member talks to its group:
	heartbeat  time.Duration // also how long it takes to notice a rebalance
	session    time.Duration // without a heartbeat, before the group gives a member up
	rebalance  time.Duration // until members that have not come back are given up
	joinAgain  time.Duration // after joining has failed
	partitions time.Duration // between two looks at the number of partitions
}

// A drain runs without heartbeats (kafka-go stops them when the generation
// ends), so session and rebalance are longer than the pipeline's grace.
var defaultTiming = timing{
	transaction: 100 * time.Millisecond, timeout: 10 * time.Second, pause: time.Second,
	heartbeat: 500 * time.Millisecond, session: 30 * time.Second, rebalance: 30 * time.Second,
	joinAgain: time.Second, partitions: 5 * time.Second,
}

// serveGroup serves the lanes of one generation of the group after the other,
// as a member.
func (s *Source) serveGroup(ctx context.Context, serve serveFunc) error {
	group, err := kafkago.NewConsumerGroup(s.groupConfig())
	if err != nil {
		return fmt.Errorf("kafka group %s: %w", s.Group, err)
	}
	var lanes sync.WaitGroup
	defer func() {
		lanes.Wait()      // meanwhile the generation goes on, with heartbeats
		_ = group.Close() // ends it and leaves the group
	}()
	for failures := 0; ; {
		generation, err := group.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			// Next comes back with every failed try to join, and then tries
			// again by itself.
			if failures++; !joinAgain(err, failures) {
				return fmt.Errorf("kafka group %s: %w", s.Group, err)
			}
			s.Log.Info("kafka: joining the group again", "group", s.Group, "error", err)
			continue
		}
		failures = 0
		lanes.Add(1)
		generation.Start(func(ends context.Context) {
			func() {
				defer lanes.Done()
				s.serveGeneration(ctx, ends, generation, serve)
			}()
			<-ends.Done() // returning earlier would end the generation
		})
	}
}

// groupTimeout is how long a request of the group may take.
const groupTimeout = 10 * time.Second

// maxJoins is how many times in a row joining may fail with an error that is
// neither the brokers' nor the network's. kafka-go has such errors for answers
// that it does not understand, which may have been disturbed, but also for a
// group with members of other clients, which it cannot lead.
const maxJoins = 5

func joinAgain(err error, failures int) bool {
	_, coded := errors.AsType[kafkago.Error](err)
	switch {
	case errors.Is(err, kafkago.ErrGroupClosed):
		return false
	case cluster.JudgeError(err) != cluster.Final:
		return true
	}
	return !coded && failures < maxJoins
}

func (s *Source) groupConfig() kafkago.ConsumerGroupConfig {
	c := s.cluster.Options()
	return kafkago.ConsumerGroupConfig{
		ID: s.Group, Brokers: c.Brokers, Topics: []string{s.Topic},
		Dialer: &kafkago.Dialer{
			ClientID: c.ClientID, DialFunc: s.cluster.Dialer().DialContext, Timeout: groupTimeout, DualStack: true,
		},
		HeartbeatInterval: s.timing.heartbeat, SessionTimeout: s.timing.session, RebalanceTimeout: s.timing.rebalance,
		JoinGroupBackoff: s.timing.joinAgain, Timeout: groupTimeout,
		WatchPartitionChanges: true, PartitionWatchInterval: s.timing.partitions,
	}
}

// serveGeneration serves the partitions of one generation until that ends or
// ctx is done.
func (s *Source) serveGeneration(ctx, ends context.Context, g *kafkago.Generation, serve serveFunc) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ends, cancel)()
	var partitions []int32
	for _, p := range g.Assignments[s.Topic] {
		partitions = append(partitions, int32(p.ID))
	}
	if ctx.Err() != nil || len(partitions) == 0 {
		s.Log.Info("kafka: nothing assigned", "group", s.Group, "generation", g.ID)
		return
	}
	s.awaitLeaders(ctx, partitions)
	shares := s.dealShares(partitions)
	s.Log.Info("kafka: partitions assigned", "group", s.Group, "generation", g.ID, "topic", s.Topic,
		"partitions", len(partitions), "lanes", len(shares))
	o := cluster.Owner{Group: s.Group, Generation: g.ID, Member: g.MemberID}
	_ = s.serveShares(ctx, o, shares, nil, serve) // lanes that cannot go on have parked
}

// lookTries is how many looks at the topic a new generation waits for: about
// two seconds.
const lookTries = 10

// awaitLeaders asks about the topic until every partition has a leader. The
// leaders may change later.
func (s *Source) awaitLeaders(ctx context.Context, partitions []int32) {
	waits := cluster.Pauses.Begin()
	for {
		err := s.topic.Refresh(ctx)
		known := true
		for _, p := range partitions {
			known = known && s.topic.Leader(p).Broker >= 0
		}
		if err == nil && known || waits.Tries() == lookTries || waits.Wait(ctx) != nil {
			return
		}
	}
}
