package watch

import (
	"math"
	"slices"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Bounds of histograms: upper limits, each of which belongs to its bucket. One
// more bucket has everything above the last bound.
var (
	// SizeBounds are of messages in a batch.
	SizeBounds = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536}
	// ByteBounds are of bytes in a batch.
	ByteBounds = []float64{1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24}
	// TimeBounds are of work on a batch, in seconds.
	TimeBounds = []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10}
	// CallBounds are of calls of key services, in seconds.
	CallBounds = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10}
	// AgeBounds are of the ages of data keys, in seconds.
	AgeBounds = []float64{1, 10, 60, 300, 600, 900, 1800, 3600, 21600, 86400}
	// UseBounds are of the messages that a data key seals.
	UseBounds = []float64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}
)

// Histogram counts values by size. The zero Histogram is empty.
type Histogram struct {
	Bounds []float64 // nil while it is empty; shared, and not to be changed
	Counts []uint64  // by bucket, one more than there are bounds
	Sum    float64
}

// addValue counts one value. All calls for one Histogram have the same bounds.
func (h *Histogram) addValue(bounds []float64, value float64) {
	if h.Bounds == nil {
		h.Bounds, h.Counts = bounds, make([]uint64, len(bounds)+1)
	}
	at, _ := slices.BinarySearch(bounds, value)
	h.Counts[at]++
	h.Sum += value
}

// copy returns a Histogram that shares no counts with h.
func (h *Histogram) copy() Histogram {
	return Histogram{h.Bounds, slices.Clone(h.Counts), h.Sum}
}

// Cumulate returns how many values there are in all, and below or at each
// bound.
func (h *Histogram) Cumulate() (total uint64, below map[float64]uint64) {
	below = make(map[float64]uint64, len(h.Bounds))
	for i, n := range h.Counts {
		total += n
		if i < len(h.Bounds) {
			below[h.Bounds[i]] = total
		}
	}
	return total, below
}

// Workload is the work that a route's workers have done, and do now.
type Workload struct {
	// Workers is how many there are, and Busy how many have a batch.
	Workers, Busy int
	// Messages and Bytes are the sizes of batches. Transform and Settle are the
	// times of pipeline.Work, in seconds.
	Messages, Bytes, Transform, Settle Histogram
}

var _ pipeline.WorkObserver = (*Route)(nil)

// SetWorkers notes how many workers the route has.
func (r *Route) SetWorkers(n int) {
	r.workMu.Lock()
	defer r.workMu.Unlock()
	r.work.Workers = n
}

// BeginWork implements pipeline.WorkObserver.
func (r *Route) BeginWork() {
	r.workMu.Lock()
	defer r.workMu.Unlock()
	r.work.Busy++
}

// EndWork implements pipeline.WorkObserver.
func (r *Route) EndWork(w pipeline.Work) {
	r.workMu.Lock()
	defer r.workMu.Unlock()
	r.work.Busy--
	r.work.Messages.addValue(SizeBounds, float64(w.Messages))
	r.work.Bytes.addValue(ByteBounds, float64(w.Bytes))
	r.work.Transform.addValue(TimeBounds, w.Transform.Seconds())
	r.work.Settle.addValue(TimeBounds, w.Settle.Seconds())
}

// Workload returns the work of the route's workers.
func (r *Route) Workload() Workload {
	r.workMu.Lock()
	defer r.workMu.Unlock()
	w := r.work
	w.Messages, w.Bytes = r.work.Messages.copy(), r.work.Bytes.copy()
	w.Transform, w.Settle = r.work.Transform.copy(), r.work.Settle.copy()
	return w
}

// Growth returns how many bytes are written for each byte that is read, or NaN
// before the first one.
func (f *Figures) Growth() float64 {
	if f.BytesIn == 0 {
		return math.NaN()
	}
	return float64(f.BytesOut) / float64(f.BytesIn)
}
