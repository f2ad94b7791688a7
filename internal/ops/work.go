package ops

import (
	"runtime/metrics"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamcrypt/streamcrypt/internal/watch"
)

// workOf has the word for the work of a route's transform, by direction.
var workOf = map[string]string{"encrypt": "seal", "rewrap": "rewrap", "convert": "convert"}

// sendWork sends the metrics of a route's workers.
func (s *sender) sendWork(direction string, w watch.Workload) {
	work := workOf[direction]
	if work == "" {
		work = "open"
	}
	s.gauge(descWorkers, float64(w.Workers))
	s.gauge(descBusy, float64(w.Busy))
	s.sendHistogram(descBatchSize, &w.Messages)
	s.sendHistogram(descBatchBytes, &w.Bytes)
	s.sendHistogram(descTransform, &w.Transform, work)
	s.sendHistogram(descSettle, &w.Settle)
}

// sendHistogram sends a histogram, unless it is empty.
func (s *sender) sendHistogram(d *prometheus.Desc, h *watch.Histogram, labels ...string) {
	total, below := h.Cumulate()
	if total == 0 {
		return
	}
	m, err := prometheus.NewConstHistogram(d, total, h.Sum, below, s.completeLabels(labels)...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	s.out <- m
}

// completeLabels puts the route before labels, and makes all of them UTF-8.
func (s *sender) completeLabels(labels []string) []string {
	all := make([]string, 0, len(labels)+1)
	all = append(all, s.route)
	for _, label := range labels {
		all = append(all, labelOf(label))
	}
	return all
}

// readMemory returns how many bytes the process has of the system for Go: the
// figure that the garbage collector's limit bounds.
func readMemory() float64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return float64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

// secondsSince returns how long ago a time was; 0 if that is the zero time.
func secondsSince(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Seconds())
}
