package kafka

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
)

// laneTable deals the partitions of a member out to its lanes. The lanes are
// fixed for the life of the process, and each has one producer for as long;
// partitions join and leave them. It implements membership.Holder.
type laneTable struct {
	source *Source
	lanes  []*laneServer

	mu sync.Mutex
	at map[int32]*laneServer
}

func newLaneTable(s *Source, o *owner, lanes int, serve serveFunc) *laneTable {
	t := &laneTable{source: s, at: make(map[int32]*laneServer)}
	for n := range lanes {
		t.lanes = append(t.lanes, newLaneServer(s, n, o, nil, serve))
	}
	return t
}

// Take implements membership.Holder.
func (t *laneTable) Take(partitions []membership.Assigned) {
	t.source.refreshTopic()
	byLeader := slices.Clone(partitions)
	slices.SortFunc(byLeader, func(a, b membership.Assigned) int {
		return cmp.Or(cmp.Compare(t.source.topic.Leader(a.Number).Broker, t.source.topic.Leader(b.Number).Broker),
			cmp.Compare(a.Number, b.Number))
	})
	given := make(map[*laneServer][]heldPartition)
	t.mu.Lock()
	most := (len(t.at) + len(partitions) + len(t.lanes) - 1) / len(t.lanes)
	for _, p := range byLeader {
		h := t.chooseLane(p.Number, most)
		t.at[p.Number] = h
		given[h] = append(given[h], heldPartition{number: p.Number, fresh: p.Fresh})
	}
	t.mu.Unlock()
	for h, parts := range given {
		h.addPartitions(parts)
	}
}

// chooseLane returns the lane for another partition: one with room in which all
// partitions have the same leader, and else the one with the fewest. t.mu is
// held.
func (t *laneTable) chooseLane(number int32, most int) *laneServer {
	leader := t.source.topic.Leader(number).Broker
	counts := make(map[*laneServer]int, len(t.lanes))
	mixed := make(map[*laneServer]bool, len(t.lanes))
	for p, h := range t.at {
		counts[h]++
		mixed[h] = mixed[h] || t.source.topic.Leader(p).Broker != leader
	}
	rank := func(h *laneServer) int {
		switch n := counts[h]; {
		case n >= most:
			return 3
		case n > 0 && !mixed[h]:
			return 0
		case n == 0:
			return 1
		}
		return 2
	}
	return slices.MinFunc(t.lanes, func(a, b *laneServer) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(counts[a], counts[b]))
	})
}

// Release implements membership.Holder.
func (t *laneTable) Release(ctx context.Context, partitions []membership.Partition) {
	ctx, cancel := context.WithTimeout(ctx, t.source.Grace)
	defer cancel()
	var all sync.WaitGroup
	for h, numbers := range t.take(partitions) {
		all.Go(func() { h.releasePartitions(ctx, numbers) })
	}
	all.Wait()
}

// Drop implements membership.Holder.
func (t *laneTable) Drop(partitions []membership.Partition) {
	for h, numbers := range t.take(partitions) {
		h.dropPartitions(numbers)
	}
}

// take removes partitions from the table, and returns them by lane.
func (t *laneTable) take(partitions []membership.Partition) map[*laneServer][]int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := make(map[*laneServer][]int32)
	for _, p := range partitions {
		if h := t.at[p.Number]; h != nil {
			by[h] = append(by[h], p.Number)
			delete(t.at, p.Number)
		}
	}
	return by
}

// refreshTopic asks who leads, since partitions may be new.
func (s *Source) refreshTopic() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.topic.Refresh(ctx) // lanes ask again for partitions that nobody leads
}
