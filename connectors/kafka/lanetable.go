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
	topics := t.source.topics
	byLeader := make([]heldPartition, len(partitions))
	for i, p := range partitions {
		byLeader[i] = heldPartition{number: topics.slotOf(p.Topic, p.Number), fresh: p.Fresh}
	}
	t.source.refreshTopics()
	slices.SortFunc(byLeader, func(a, b heldPartition) int {
		return cmp.Or(cmp.Compare(topics.Leader(a.number).Broker, topics.Leader(b.number).Broker),
			cmp.Compare(a.number, b.number))
	})
	given := make(map[*laneServer][]heldPartition)
	t.mu.Lock()
	most := (len(t.at) + len(partitions) + len(t.lanes) - 1) / len(t.lanes)
	counts := t.weighLanes()
	for _, p := range byLeader {
		h := t.chooseLane(counts, topics.Leader(p.number).Broker, most)
		t.at[p.number] = h
		counts[h].add(topics.Leader(p.number).Broker)
		given[h] = append(given[h], p)
	}
	t.mu.Unlock()
	for h, parts := range given {
		h.addPartitions(parts)
	}
}

// laneLoad is how many partitions a lane has, and who leads them.
type laneLoad struct {
	partitions int
	leader     int32
	mixed      bool // not all have the same leader
}

func (c *laneLoad) add(leader int32) {
	c.mixed = c.mixed || c.partitions > 0 && c.leader != leader
	c.partitions, c.leader = c.partitions+1, leader
}

// weighLanes counts the partitions of all lanes. t.mu is held.
func (t *laneTable) weighLanes() map[*laneServer]*laneLoad {
	counts := make(map[*laneServer]*laneLoad, len(t.lanes))
	for _, h := range t.lanes {
		counts[h] = new(laneLoad)
	}
	for number, h := range t.at {
		counts[h].add(t.source.topics.Leader(number).Broker)
	}
	return counts
}

// chooseLane returns the lane for another partition: one with room in which all
// partitions have the same leader, and else the one with the fewest. t.mu is
// held.
func (t *laneTable) chooseLane(counts map[*laneServer]*laneLoad, leader int32, most int) *laneServer {
	rank := func(c *laneLoad) int {
		switch n := c.partitions; {
		case n >= most:
			return 3
		case n > 0 && !c.mixed && c.leader == leader:
			return 0
		case n == 0:
			return 1
		}
		return 2
	}
	return slices.MinFunc(t.lanes, func(a, b *laneServer) int {
		return cmp.Or(cmp.Compare(rank(counts[a]), rank(counts[b])),
			cmp.Compare(counts[a].partitions, counts[b].partitions))
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
		number, ok := t.source.topics.findSlot(p.Topic, p.Number)
		if h := t.at[number]; ok && h != nil {
			by[h] = append(by[h], number)
			delete(t.at, number)
		}
	}
	return by
}

// refreshTopics asks who leads, since partitions may be new.
func (s *Source) refreshTopics() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.topics.Refresh(ctx) // lanes ask again for partitions that nobody leads
}
