package kafka

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// PartitionStatus is how far a partition has been carried.
type PartitionStatus struct {
	Topic     string
	Partition int32
	// Position is the offset of the first record that has no committed position
	// yet.
	Position int64
	// End is where a bounded run ends, or else the offset behind the
	// partition's last record, as of the last fetch; -1 if there was none yet.
	End int64
}

// Lag is how many offsets lie between position and end.
func (p PartitionStatus) Lag() int64 { return max(0, p.End-p.Position) }

// partitionProgress is a PartitionStatus that moves.
type partitionProgress struct {
	topic     string
	partition int32
	position  atomic.Int64
	end       atomic.Int64
}

// statusTable holds the partitions that a Source has now.
type statusTable struct {
	mu  sync.Mutex
	all []*partitionProgress
}

// trackParts replaces the entries of the given partitions.
func (s *statusTable) trackParts(parts []*partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		p.status = &partitionProgress{topic: p.topic.Name(), partition: p.number}
		p.status.position.Store(p.next)
		p.status.end.Store(p.stopAt)
		s.all = slices.DeleteFunc(s.all, func(old *partitionProgress) bool {
			return old.partition == p.number && old.topic == p.topic.Name()
		})
		s.all = append(s.all, p.status)
	}
}

// untrackParts forgets the partitions of a lane that has been let go.
func (s *statusTable) untrackParts(parts []*partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		s.all = slices.DeleteFunc(s.all, func(old *partitionProgress) bool { return old == p.status })
	}
}

// Status tells how far the partitions that the Source has now have been
// carried.
func (s *Source) Status() []PartitionStatus {
	s.tracked.mu.Lock()
	defer s.tracked.mu.Unlock()
	out := make([]PartitionStatus, len(s.tracked.all))
	for i, p := range s.tracked.all {
		out[i] = PartitionStatus{Topic: p.topic, Partition: p.partition, Position: p.position.Load(), End: p.end.Load()}
	}
	slices.SortFunc(out, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}
