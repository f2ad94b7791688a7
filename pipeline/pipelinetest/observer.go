package pipelinetest

import (
	"maps"
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Recorder is an Observer that adds up all that it is told. The zero Recorder
// is ready, and serves one run after the other.
type Recorder struct {
	// Parked is called when a place is parked; may be nil.
	Parked func(place string, cause error)

	mu     sync.Mutex
	totals Totals
	parked map[string]error
}

// Totals are the sums over all places of a run.
type Totals struct {
	pipeline.PlaceCounts
	Batches     int
	Lanes       int // served now
	FailedLanes int
	LostLanes   int
}

// Totals returns the sums so far.
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
func (r *Recorder) ObserveLane(change pipeline.LaneChange, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch change {
	case pipeline.LaneServed:
		r.totals.Lanes++
		return
	case pipeline.LaneFailed:
		r.totals.FailedLanes++
	case pipeline.LaneLost:
		r.totals.LostLanes++
	case pipeline.LaneEnded:
	}
	r.totals.Lanes--
}

// ObservePlace implements pipeline.Observer.
func (r *Recorder) ObservePlace(place string, _ int64, cause error) {
	r.mu.Lock()
	if r.parked == nil {
		r.parked = make(map[string]error)
	}
	if cause != nil {
		r.parked[place] = cause
	} else {
		delete(r.parked, place)
	}
	r.mu.Unlock()
	if r.Parked != nil && cause != nil {
		r.Parked(place, cause)
	}
}

// ParkedPlaces returns the places that are parked now, and why.
func (r *Recorder) ParkedPlaces() map[string]error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.parked)
}
