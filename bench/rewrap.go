package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
	"github.com/streamcrypt/streamcrypt/transform"
)

// rewrapLimit is the most time that a rewrapping route may take, as a ratio to
// the same route with a transform that copies values: 0.9 times the speed.
const rewrapLimit = 1 / 0.9

// measureRewrap compares a pipeline that rewraps with one that copies: between
// archives, and from memory to memory, where the copy costs next to nothing.
func measureRewrap(ctx context.Context, budget time.Duration) ([]Figure, error) {
	from, err := newRoute(ctx, "self")
	if err != nil {
		return nil, err
	}
	defer from.stopRenewal()
	rewrap, err := newRewrap(from)
	if err != nil {
		return nil, err
	}
	identity := func() (pipeline.Transform, error) { return pipelinetest.Identity(), nil }
	var figures []Figure
	for _, workers := range []int{1, 2} {
		pool, err := sealedBatches(ctx, from, workers+1)
		if err != nil {
			return nil, err
		}
		memory := &rewrapRace{
			name: "memory to memory", workers: workers,
			transforms: [2]func() (pipeline.Transform, error){rewrap, identity},
		}
		memory.ends = func(batches int) (pipeline.Source, pipeline.Sink, error) {
			return &repeater{batches: batches, pool: pool}, new(discard), nil
		}
		archives := *memory
		archives.name, archives.limit = "archive to archive", newLimit(rewrapLimit)
		archives.ends = archiveEnds(pool[:2])
		for _, r := range []*rewrapRace{&archives, memory} {
			f, err := r.compareCosts(ctx, budget/4)
			if err != nil {
				return nil, err
			}
			figures = append(figures, f)
		}
	}
	return figures, nil
}

// newRewrap returns a function that makes transforms from the route's KEK to
// another.
func newRewrap(from *route) (func() (pipeline.Transform, error), error) {
	file, err := local.GenerateAES()
	if err != nil {
		return nil, err
	}
	to, err := local.ParseAES(file)
	if err != nil {
		return nil, err
	}
	all, err := envelope.NewRewrapper([]keys.Unwrapper{from.kek}, []keys.Wrapper{to}, envelope.RewrapperOptions{})
	return func() (pipeline.Transform, error) {
		return transform.NewRewrap(transform.RewrapOptions{Rewrapper: all})
	}, err
}

// sealedBatches returns batches of envelopes.
func sealedBatches(ctx context.Context, r *route, n int) ([]*pipeline.Batch, error) {
	sealer := r.sealer.NewWorker()
	batches := newBatches(n)
	for _, b := range batches {
		b.Size = 0
		for i := range b.Messages {
			m := &b.Messages[i]
			var err error
			if m.Value, err = sealer.Seal(ctx, nil, m.Value, &envelope.Binding{Key: m.Key}, &position); err != nil {
				return nil, err
			}
			b.Size += len(m.Value)
		}
	}
	return batches, nil
}

// rewrapRace compares two transforms in the same pipeline.
type rewrapRace struct {
	name       string
	workers    int
	limit      *float64
	transforms [2]func() (pipeline.Transform, error) // the second is the baseline
	ends       func(batches int) (pipeline.Source, pipeline.Sink, error)
}

func (r *rewrapRace) compareCosts(ctx context.Context, budget time.Duration) (Figure, error) {
	const batches = 400
	var cpu, wall, extra []float64
	for end := time.Now().Add(budget); len(cpu) < minRounds || time.Now().Before(end); {
		var costs [2]cost
		for i := range costs {
			if len(cpu)%2 == 1 {
				i = 1 - i
			}
			var err error
			costs[i], err = timeMessages(batches, func() error { return r.runPipeline(ctx, r.transforms[i], batches) })
			if err != nil {
				return Figure{}, err
			}
		}
		cpu = append(cpu, costs[0].cpu/costs[1].cpu)
		wall = append(wall, costs[0].wall/costs[1].wall)
		extra = append(extra, costs[0].cpu-costs[1].cpu)
	}
	ratio, by, more := middleOf(cpu), middleOf(wall), middleOf(extra)
	return Figure{
		Part: "rewrap", Name: fmt.Sprintf("1 KiB, %s, %d at a time", r.name, r.workers),
		Value: ratio.median, Unit: "x", Limit: r.limit, Spread: ratio.makeSpread(),
		Beside: map[string]float64{"wall ratio": by.median, "us on top": more.median, "rounds": float64(len(cpu))},
		Note: fmt.Sprintf("of the processor time of a copy, %.3f to %.3f; %.3f us a message on top; by the clock %.3fx",
			ratio.low, ratio.high, more.median, by.median),
	}, nil
}

// runPipeline carries the batches through a pipeline.
func (r *rewrapRace) runPipeline(
	ctx context.Context, newTransform func() (pipeline.Transform, error), batches int,
) error {
	from, to, err := r.ends(batches)
	if err != nil {
		return err
	}
	var failed error
	var stats watch.Route
	err = pipeline.Run(ctx, pipeline.Options{
		Source: from, Sink: to, Workers: r.workers, Observer: &stats,
		NewTransform: func() pipeline.Transform {
			t, err := newTransform()
			failed = errors.Join(failed, err)
			return t
		},
	})
	if err = errors.Join(failed, err); err != nil {
		return err
	}
	if want := int64(batches * batchMessages); stats.Totals().Written != want {
		return fmt.Errorf("the pipeline wrote %d messages of %d", stats.Totals().Written, want)
	}
	return nil
}
