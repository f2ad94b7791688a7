package pipeline

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats counts what a run has done. Its counters move once per batch, when the batch is committed. It
// may be read at any time and serves one run after the other, but must not be copied.
type Stats struct {
	Read     atomic.Int64 // messages settled: written, skipped or rejected
	Written  atomic.Int64
	Skipped  atomic.Int64
	Rejected atomic.Int64
	BytesIn  atomic.Int64 // keys and values read
	BytesOut atomic.Int64 // keys and values written
	Batches  atomic.Int64
	Lanes    atomic.Int64 // lanes served now
	Parked   atomic.Int64 // lanes that ended with an error that parks them
	Lost     atomic.Int64 // lanes that ended because they had another owner

	mu      sync.Mutex
	reasons map[Reason]int64
}

// Reasons returns how many messages were rejected for which reason.
func (s *Stats) Reasons() map[Reason]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.reasons)
}

func (s *Stats) reject(reason Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reasons == nil {
		s.reasons = make(map[Reason]int64)
	}
	s.reasons[reason]++
}

// tally is what one batch adds to Stats. What was read and neither written nor rejected was skipped.
type tally struct {
	read, written, rejected, bytesIn, bytesOut int64
}

func (s *Stats) add(t *tally) {
	s.Batches.Add(1)
	s.Read.Add(t.read)
	s.Written.Add(t.written)
	s.Skipped.Add(t.read - t.written - t.rejected)
	s.Rejected.Add(t.rejected)
	s.BytesIn.Add(t.bytesIn)
	s.BytesOut.Add(t.bytesOut)
}
