package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/traces"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// observationLimit is the most processor time that metrics and logs may cost,
// in percent of that of a message.
const observationLimit = 3

// measureObservation compares a pipeline that seals, from memory to memory, and
// that nobody observes, with one that is counted and logged. The second one is
// read and logged after each run of 400 batches, which is far more often than
// Prometheus asks.
func measureObservation(ctx context.Context, budget time.Duration) ([]Figure, error) {
	r, err := newRoute(ctx, "ref")
	if err != nil {
		return nil, err
	}
	defer r.stopRenewal()
	c := &core{workers: 2, transform: func() (pipeline.Transform, error) {
		return transform.NewEncrypt(transform.EncryptOptions{
			Sealer: r.sealer,
			Place:  func(string) transform.Place { return transform.Place{Source: position.Source, Ordered: true} },
		})
	}}
	var figures watch.Route
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	cost, err := c.compareObserved(ctx, budget/2, func() error {
		c.observer = &figures
		defer func() { c.observer = nil }()
		err := c.runPipeline(ctx, observedBatches)
		readFigures(&figures, log)
		return err
	})
	if err != nil {
		return nil, err
	}
	if n := figures.Totals().Written; n != int64(cost.rounds*observedBatches*batchMessages) {
		return nil, fmt.Errorf("%d messages were counted", n)
	}
	traced, err := c.measureTraces(ctx, budget/2)
	if err != nil {
		return nil, err
	}
	return []Figure{cost.makeFigure("metrics and logs", newLimit(observationLimit)), traced}, nil
}

// observedBatches are the batches of one run.
const observedBatches = 400

// measureTraces does the same for traces, with a collector in this process: its
// work is counted too.
func (c *core) measureTraces(ctx context.Context, budget time.Duration) (Figure, error) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer collector.Close()
	all, err := traces.Start(traces.Options{Endpoint: collector.URL, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return Figure{}, err
	}
	defer all.Close()
	route := all.NewRoute("bench", "encrypt")
	cost, err := c.compareObserved(ctx, budget, func() error {
		c.steps = route
		defer func() { c.steps = nil }()
		return c.runPipeline(ctx, observedBatches)
	})
	return cost.makeFigure("traces, off by default", nil), err
}

// observedCost is the processor time that an observer costs.
type observedCost struct {
	percent, alone middle
	rounds         int
}

// compareObserved compares the pipeline that nobody observes with that of
// observed.
func (c *core) compareObserved(
	ctx context.Context, budget time.Duration, observed func() error,
) (cost observedCost, err error) {
	var extra, plain []float64
	for end := time.Now().Add(budget); len(extra) < 2*callDepths || time.Now().Before(end); {
		c.depth = len(extra) / 2 % callDepths
		first, second := func() error { return c.runPipeline(ctx, observedBatches) }, observed
		if len(extra)%2 == 1 {
			first, second = second, first
		}
		a, err := timeMessages(observedBatches, first)
		if err != nil {
			return cost, err
		}
		b, err := timeMessages(observedBatches, second)
		if err != nil {
			return cost, err
		}
		if len(extra)%2 == 1 {
			a, b = b, a
		}
		extra = append(extra, 100*(b.cpu-a.cpu)/a.cpu)
		plain = append(plain, a.cpu)
	}
	return observedCost{middleOf(extra), middleOf(plain), len(extra)}, nil
}

func (c *observedCost) makeFigure(name string, limit *float64) Figure {
	return Figure{
		Part: "observation", Name: name + ", on top of a message", Value: c.percent.median, Unit: "%",
		Limit: limit, Spread: c.percent.makeSpread(),
		Beside: map[string]float64{"message us": c.alone.median, "rounds": float64(c.rounds)},
		Note: fmt.Sprintf("of processor time, %.2f to %.2f; a message takes %.3f us",
			c.percent.low, c.percent.high, c.alone.median),
	}
}

// readFigures reads everything that a scrape reads, and logs a line of
// progress.
func readFigures(w *watch.Route, log *slog.Logger) {
	places, _ := w.Places()
	work, totals := w.Workload(), w.Totals()
	log.Info("progress", "messages", totals.Read, "places", len(places), "busy", work.Busy, "keys", len(w.Keys()),
		"calls", len(w.CallTimes()), "away", w.Traffic().Away)
}
