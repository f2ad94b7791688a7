package kafka

import (
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

const (
	// replicaTime is how long a replica that the leader has named is read
	// before the leader is asked again.
	replicaTime = 5 * time.Minute
	// leaderTime is how long the leader is read after a replica did not serve a
	// partition. The leader would name the same replica again.
	leaderTime = 30 * time.Second
)

// replicaChoice says which replica of a partition is read.
type replicaChoice struct {
	replica int32 // to be read instead of the leader until the time below; -1 if none
	until   time.Time
	// leaderUntil is until when no replica is asked for.
	leaderUntil time.Time
}

// brokerToAsk returns the broker to read from; -1 if nobody leads.
func (p *partition) brokerToAsk() int32 {
	if r := &p.choice; r.replica >= 0 && time.Now().Before(r.until) {
		return r.replica
	}
	return p.topic.Leader(p.number).Broker
}

// isSentOn tells whether the answer of a leader names a replica to read from,
// and chooses that. Such an answer has no records although there are some: the
// leader has not looked for any (KIP-392), so it says nothing about the end.
func (p *partition) isSentOn(a *wire.FetchedPartition, asked int32) bool {
	if a.Preferred < 0 || a.Preferred == asked {
		return false
	}
	p.choice.replica, p.choice.until = a.Preferred, time.Now().Add(replicaTime)
	return true
}

// isReplica tells whether a broker was asked because the leader had named it.
func (p *partition) isReplica(broker int32) bool { return p.choice.replica == broker && broker >= 0 }

// leaveReplica has the leader read for a while, if a replica was asked.
func (p *partition) leaveReplica(asked int32) {
	if p.isReplica(asked) {
		p.choice.leaderUntil = time.Now().Add(leaderTime)
	}
	p.choice.replica = -1
}

// rackToSend returns the rack for a request. Leaders name no replica to a
// reader that does not say where it stands.
func (in *fetcher) rackToSend() string {
	if in.options.Rack == "" {
		return ""
	}
	now := time.Now()
	for _, p := range in.asked {
		if now.Before(p.choice.leaderUntil) {
			return ""
		}
	}
	return in.options.Rack
}
