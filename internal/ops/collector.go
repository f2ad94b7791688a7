package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamcrypt/streamcrypt/internal/watch"
)

// collector reads the figures of all routes when they are asked for. Nothing is
// counted twice, and a route that nobody asks about costs nothing.
type collector struct{ source *Source }

var _ prometheus.Collector = (*collector)(nil)

// Describe implements prometheus.Collector. There are as many metrics as there
// are places, so that none is described before.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(descBuild, prometheus.GaugeValue, 1, labelOf(c.source.Version))
	if c.source.Configuration != nil {
		refused := 0.0
		if c.source.Configuration().Refused != "" {
			refused = 1
		}
		out <- prometheus.MustNewConstMetric(descRefusedFile, prometheus.GaugeValue, refused)
	}
	out <- prometheus.MustNewConstMetric(descUsed, prometheus.GaugeValue, readMemory())
	for _, r := range c.source.Routes() {
		s := sender{out, labelOf(r.Name)}
		s.sendRoute(&r)
		if r.Watch == nil {
			continue
		}
		s.sendPlaces(r.Watch)
		s.sendTotals(r.Watch)
		s.sendTraffic(r.Watch.Traffic())
		s.sendKeys(r.Watch)
		s.sendWork(r.Direction, r.Watch.Workload())
	}
}

// sender sends the metrics of one route.
type sender struct {
	out   chan<- prometheus.Metric
	route string
}

func (s *sender) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s.sendValue(d, prometheus.GaugeValue, value, labels)
}

func (s *sender) count(d *prometheus.Desc, value int64, labels ...string) {
	s.sendValue(d, prometheus.CounterValue, float64(value), labels)
}

func (s *sender) seconds(d *prometheus.Desc, value float64, labels ...string) {
	s.sendValue(d, prometheus.CounterValue, value, labels)
}

func (s *sender) sendValue(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels []string) {
	m, err := prometheus.NewConstMetric(d, kind, value, s.completeLabels(labels)...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	s.out <- m
}

// sendWord sends 1 for one of several words, and 0 for the others.
func (s *sender) sendWord(d *prometheus.Desc, is string, words []string, labels ...string) {
	for _, word := range words {
		s.gauge(d, oneIf(word == is), append(labels[:len(labels):len(labels)], word)...)
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (s *sender) sendRoute(r *Route) {
	s.gauge(descRoute, 1, r.Direction, r.From, r.To)
	s.sendWord(descPhase, string(r.Phase), phases)
	s.gauge(descReady, oneIf(len(r.reasonsAgainst()) == 0))
	if r.Memory > 0 {
		s.gauge(descBound, float64(r.Memory))
	}
}

func (s *sender) sendPlaces(w *watch.Route) {
	own, rest := w.Places()
	for i := range own {
		p := &own[i]
		s.sendFigures(&p.Figures, p.Name)
		s.gauge(descNext, float64(p.Next), p.Name)
		if p.Lag != watch.Unknown {
			s.gauge(descLag, float64(p.Lag), p.Name)
		}
		s.gauge(descParked, oneIf(p.Parked != nil), p.Name)
	}
	if rest.Read > 0 {
		s.sendFigures(&rest, others)
	}
	for _, stuck := range w.StuckPlaces() {
		s.gauge(descStuck, 1, stuck.Name)
	}
}

func (s *sender) sendFigures(f *watch.Figures, place string) {
	s.count(descRead, f.Read, place)
	s.count(descWritten, f.Written, place)
	s.count(descSkipped, f.Skipped, place)
	s.count(descBytesIn, f.BytesIn, place)
	s.count(descBytesOut, f.BytesOut, place)
	for reason, n := range f.Rejected {
		s.count(descRejected, n, place, string(reason))
	}
}

func (s *sender) sendTotals(w *watch.Route) {
	t := w.Totals()
	s.count(descBatches, t.Batches)
	s.gauge(descLanes, float64(t.Lanes))
	s.count(descLost, t.LostLanes)
	if t.BytesIn > 0 {
		s.gauge(descGrowth, t.Growth())
	}
	for kind, n := range countFindings(w) {
		s.count(descFindings, n, kind)
	}
}

func (s *sender) sendTraffic(t watch.Traffic) {
	s.count(descStored, t.FetchedBytes, "read")
	s.count(descStored, t.ProducedBytes, "written")
	s.count(descEnded, t.Committed, "committed")
	s.count(descEnded, t.Aborted, "aborted")
	s.seconds(descOpenFor, t.OpenFor.Seconds())
	s.count(descRetries, t.RetriedRequests)
	s.count(descRepublish, t.RepublishedMessages)
	s.count(descAlready, t.AlreadyStored)
	s.count(descAgain, t.PublishedAgain)
	s.count(descBroken, t.LostConnections)
	s.gauge(descAway, float64(t.Away))
	s.gauge(descAwayFor, secondsSince(t.AwaySince))
}
