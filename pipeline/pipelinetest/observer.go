package pipelinetest

import (
	"maps"
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Recorder is an Observer that adds up all that it is told. The zero Recorder is
// ready, and serves one run after the other.
type Recorder struct {
	// Parked is called with the error of a lane that cannot go on; may be nil.
	Parked func(err error)

	mu     sync.Mutex
	totals Totals
}

// Totals are the sums over all places of a run.
type Totals struct {
	pipeline.PlaceCounts
	Batches     int
	Lanes       int // served now
	ParkedLanes int
	LostLanes   int
}

// Totals returns what the Recorder was told so far.
func (r *Recorder) Totals() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.totals
	t.Rejected = maps.Clone(t.Rejected)
	return t
}

// ObserveBatch implements pipeline.Observer.
func (r *Recorder) ObserveBatch(counts []pipeline.PlaceCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.totals
	t.Batches++
	for i := range counts {
		c := &counts[i]
		t.Read, t.Written, t.Skipped = t.Read+c.Read, t.Written+c.Written, t.Skipped+c.Skipped
		t.BytesIn, t.BytesOut = t.BytesIn+c.BytesIn, t.BytesOut+c.BytesOut
		for reason, n := range c.Rejected {
			if t.Rejected == nil {
				t.Rejected = make(map[pipeline.Reason]int64)
			}
			t.Rejected[reason] += n
		}
	}
}

// ObserveLane implements pipeline.Observer.
func (r *Recorder) ObserveLane(change pipeline.LaneChange, cause error) {
	r.mu.Lock()
	switch change {
	case pipeline.LaneServed:
		r.totals.Lanes += 2
	case pipeline.LaneParked:
		r.totals.ParkedLanes++
	case pipeline.LaneLost:
		r.totals.LostLanes++
	}
	r.totals.Lanes--
	parked := r.Parked
	r.mu.Unlock()
	if change == pipeline.LaneParked && parked != nil {
		parked(cause)
	}
}
