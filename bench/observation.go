package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

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
	const batches = 400
	var figures watch.Route
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	observed := func() error {
		c.observer = &figures
		defer func() { c.observer = nil }()
		err := c.runPipeline(ctx, batches)
		readFigures(&figures, log)
		return err
	}
	var extra, plain []float64
	for end := time.Now().Add(budget); len(extra) < 2*callDepths || time.Now().Before(end); {
		c.depth = len(extra) / 2 % callDepths
		first, second := func() error { return c.runPipeline(ctx, batches) }, observed
		if len(extra)%2 == 1 {
			first, second = second, first
		}
		a, err := timeMessages(batches, first)
		if err != nil {
			return nil, err
		}
		b, err := timeMessages(batches, second)
		if err != nil {
			return nil, err
		}
		if len(extra)%2 == 1 {
			a, b = b, a
		}
		extra = append(extra, 100*(b.cpu-a.cpu)/a.cpu)
		plain = append(plain, a.cpu)
	}
	if n := figures.Totals().Written; n != int64(len(extra)*batches*batchMessages) {
		return nil, fmt.Errorf("%d messages were counted", n)
	}
	cost, alone := middleOf(extra), middleOf(plain)
	return []Figure{{
		Part: "observation", Name: "metrics and logs, on top of a message", Value: cost.median, Unit: "%",
		Limit: newLimit(observationLimit), Spread: cost.makeSpread(),
		Beside: map[string]float64{"message us": alone.median, "rounds": float64(len(extra))},
		Note: fmt.Sprintf("of processor time, %.2f to %.2f; a message takes %.3f us",
			cost.low, cost.high, alone.median),
	}}, nil
}

// readFigures reads everything that a scrape reads, and logs a line of
// progress.
func readFigures(w *watch.Route, log *slog.Logger) {
	places, _ := w.Places()
	work, totals := w.Workload(), w.Totals()
	log.Info("progress", "messages", totals.Read, "places", len(places), "busy", work.Busy, "keys", len(w.Keys()),
		"calls", len(w.CallTimes()), "away", w.Traffic().Away)
}
