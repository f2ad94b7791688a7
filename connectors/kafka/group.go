package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// timing is how long things take. Tests shorten it.
type timing struct {
	transaction time.Duration // until a transaction is closed
	timeout     time.Duration // until the brokers abort one that was left open
	pause       time.Duration // between two fetches, before the topic is looked at again
	watch       time.Duration // between two looks at the number of partitions
	leaders     time.Duration // between two questions who leads: see watchLeaders
	// How long records may wait for the end of somebody's transaction, before
	// people are told, before that is an error, and before a run with an end
	// gives up. Brokers let a transaction last 15 minutes at most.
	told, urgent, giveUp time.Duration
}

var defaultTiming = timing{
	transaction: 100 * time.Millisecond, timeout: 10 * time.Second, pause: time.Second, watch: 5 * time.Second,
	leaders: 5 * time.Second,
	told:    10 * time.Second, urgent: time.Minute, giveUp: longestTransaction + time.Minute,
}

// longestTransaction is how long brokers let a transaction last unless they are
// told otherwise (transaction.max.timeout.ms). They do not say which timeout
// one has.
const longestTransaction = 15 * time.Minute

// newTiming returns the timing of a Source that waits for others so long.
func newTiming(wait time.Duration) timing {
	t := defaultTiming
	t.giveUp = max(wait, longestTransaction) + time.Minute
	return t
}

// leastLeave is how long leaving the group may take if no time is left.
const leastLeave = 300 * time.Millisecond

// serveGroup serves the lanes as a member of the group.
func (s *Source) serveGroup(ctx context.Context, serve serveFunc) error {
	o := new(owner)
	table := newLaneTable(s, o, s.MaxLanes(), serve)
	member, err := membership.New(s.memberOptions(table))
	if err != nil {
		return err
	}
	o.member = member

	// The membership goes on while the lanes end, so that they can commit.
	joined, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error, 1)
	go func() {
		err := member.Run(joined)
		if err != nil {
			stop(err) // the lanes have nothing to read any more
		}
		ended <- err
	}()
	err = serveAll(serving, table.lanes)
	told := time.Now()
	leave()
	err = errors.Join(<-ended, err)
	if s.mayLeave(ctx, err) {
		s.leaveGroup(member, told)
	}
	return err
}

// mayLeave tells whether the group is told that this member goes. One that ends
// because of parked places, and comes back under its name, stays a member for
// its session: leaving would hand the message on which it stands to the next
// member.
func (s *Source) mayLeave(ctx context.Context, err error) bool {
	if errors.Is(err, membership.ErrInstanceTaken) {
		return false // the name is another's
	}
	var parked *pipeline.ParkedError
	return !s.static || !errors.As(context.Cause(ctx), &parked)
}

func (s *Source) leaveGroup(member *membership.Member, told time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), max(leastLeave, s.Grace-time.Since(told)))
	defer cancel()
	if err := member.Leave(ctx); err != nil {
		s.Log.Info("kafka: the group was not told of the end, its other members wait for the session",
			"group", s.Group, "error", err)
	}
}

// memberOptions describe this process to the group.
func (s *Source) memberOptions(holder membership.Holder) membership.Options {
	o := membership.Options{
		Group: s.Group, Topics: s.Topics(), Session: s.Session, Rebalance: s.Rebalance, Watch: s.timing.watch,
		Consumer: s.BrokerDeals, Coordinator: s.cluster.GroupCoordinator(s.Group), Layout: layout{s}, Holder: holder,
		Log: s.Log, Process: s.Instance,
	}
	if s.static {
		o.Instance = s.Instance
	}
	if s.sink != nil && s.TransactionalID == "" {
		o.NoteMembers = s.abortOrphans
	}
	if s.names.pattern != nil {
		o.Match = s.findTopics
	}
	return o
}

// checkGroup finds out whether the group would take this process for a member.
func (s *Source) checkGroup(ctx context.Context) error {
	err := membership.Check(ctx, s.memberOptions(nil))
	if err == nil {
		return nil
	}
	return fmt.Errorf("kafka group %s: %w", s.Group, err)
}

// lookTries is how many looks at the topic partitions without a leader are
// waited for: about two seconds.
const lookTries = 10

// awaitLeaders asks about the topic until every partition has a leader. The
// leaders may change later.
func (s *Source) awaitLeaders(ctx context.Context, partitions []int32) {
	waits := cluster.Pauses.Begin()
	for {
		err := s.topics.Refresh(ctx)
		known := true
		for _, p := range partitions {
			known = known && s.topics.Leader(p).Broker >= 0
		}
		if err == nil && known || waits.Tries() == lookTries || waits.Wait(ctx) != nil {
			return
		}
	}
}
