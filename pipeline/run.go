package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Run serves the lanes of o.Source until the source ends or ctx is done, and returns after every
// goroutine it started has ended. It returns nil when ctx ended it, and otherwise what Source.Serve
// returned: nil at the end of a bounded source, or the error of a lane that could not go on.
//
// When ctx is done, reads end and transforms give up at once; batches that are already transformed
// are written and committed within o.Grace.
func Run(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	e := &engine{Options: o, jobs: make(chan job)}
	var workers sync.WaitGroup
	for range o.Workers {
		w := &worker{engine: e, transform: o.NewTransform()}
		workers.Go(w.runJobs)
	}
	err = o.Source.Serve(ctx, e.serveLane)
	close(e.jobs)
	workers.Wait()
	if ctx.Err() != nil && endedBy(ctx, err) {
		return nil
	}
	return err
}

// engine is one run. Its lanes hand their batches to its workers through jobs, which holds nothing: a
// lane that sends has found an idle worker.
type engine struct {
	Options
	jobs  chan job
	lanes atomic.Int32
}

// job is one batch on its way from a lane to a worker.
type job struct {
	serving *serving
	batch   *Batch
	ticket  uint64
}

// share is how many workers one lane may hold. It leaves a worker to the last lane when all others
// are stuck, if there are as many workers as lanes.
func (e *engine) share() int {
	others := int(e.lanes.Load()) - 1
	if others < 1 {
		return e.Workers
	}
	return max(1, (e.Workers-1)/others)
}

// serveLane is what the source calls per lane. What it returns is the source's to act on.
func (e *engine) serveLane(ctx context.Context, source Lane) error {
	e.lanes.Add(1)
	e.Observer.ObserveLane(LaneServed, nil)
	err := runLane(ctx, e, source)
	e.lanes.Add(-1)

	change := LaneEnded
	switch {
	case err == nil:
	case errors.Is(err, ErrLost):
		change = LaneLost
		e.Log.Info("lane lost", "error", err)
	default:
		change = LaneParked
		e.Log.Error("lane parked", "error", err)
	}
	e.Observer.ObserveLane(change, err)
	return err
}

// endedBy tells whether err says no more than that ctx is done.
func endedBy(ctx context.Context, err error) bool {
	return err == nil || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))
}
