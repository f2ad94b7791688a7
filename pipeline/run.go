package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Run serves the lanes of o.Source until the source ends or ctx is done, and
// returns after every goroutine that it started has ended.
//
// The run ends when the source does, if it has an end; when ctx is done; or
// when no place can go on and waiting serves nobody else, see
// Options.ExitAfter. If places of ours are then parked, Run returns a
// *ParkedError. Otherwise it returns nil if ctx ended it, and else the error of
// Source.Serve.
//
// When ctx is done, reads end and transforms give up at once; batches that are
// already transformed are written and committed within o.Grace.
func Run(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	e := &engine{Options: o, jobs: make(chan job), changed: make(chan struct{}, 1)}
	e.makeBuffers()
	var workers sync.WaitGroup
	for range o.Workers {
		workers.Go(e.newWorker().runJobs)
	}

	// The sources see the end of the run after the watch has noted which places
	// are parked, since they let go of their places then.
	serving, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	served := make(chan struct{})
	var watch sync.WaitGroup
	if ctx.Err() != nil { // nothing begins, however fast it would be done
		e.beginEnd()
		stop(context.Cause(ctx))
	}
	watch.Go(func() { e.watchPlaces(ctx, served, stop) })
	err = o.Source.Serve(serving, e.serveLane)
	close(served)
	watch.Wait()
	stop(nil)
	close(e.jobs)
	workers.Wait()
	e.clearBuffers()

	if parked, _ := e.listParked(); len(parked) > 0 {
		return withParked(err, parked)
	}
	if ctx.Err() != nil && (endedBy(ctx, err) || endedBy(serving, err)) {
		return nil
	}
	return err
}

// withParked adds the parked places to the error of the source, which is about
// something else.
func withParked(err error, parked []ParkedPlace) error {
	all := &ParkedError{Parked: parked}
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(all, err) {
		return all
	}
	return errors.Join(all, err)
}

// engine is one run. Its lanes hand their batches to its workers through jobs,
// which holds nothing: a lane that sends has taken memory, and there are at
// least as many workers as there are buffers that lanes can take.
type engine struct {
	Options
	jobs    chan job
	own     chan *buffers // that no worker uses
	lanes   atomic.Int32
	passed  atomic.Bool   // some message was written or skipped
	changed chan struct{} // has an entry when a place was parked or goes on

	mu     sync.Mutex
	held   []*Assignment
	ending bool // places that are let go from now on stay in held
}

// job is one batch on its way from a lane to a worker.
type job struct {
	serving *serving
	batch   *Batch
	memory  *buffers
	ticket  uint64
	read    Step
}

// share is how many workers one lane may hold. It leaves a worker to the last
// lane when all others are stuck, if there are as many workers as lanes.
func (e *engine) share() int {
	others := int(e.lanes.Load()) - 1
	if others < 1 {
		return e.Workers
	}
	return max(1, (e.Workers-1)/others)
}

// errNoAssignment is a fault of a Source.
var errNoAssignment = errors.New("pipeline: a lane without an assignment")

// serveLane is called by the source, once per lane. An error that it returns
// has parked the places of the lane, unless it is ErrLost.
func (e *engine) serveLane(ctx context.Context, source Lane) error {
	a := source.Assignment()
	if a == nil {
		return errNoAssignment
	}
	e.holdPlaces(a)
	start := source.Start()
	trial := a.begin(e, start)
	e.lanes.Add(1)
	e.Observer.ObserveLane(LaneServed, nil)
	err := runLane(ctx, e, source, start, trial)
	e.lanes.Add(-1)

	change := LaneEnded
	switch {
	case err == nil:
	case errors.Is(err, ErrLost):
		change = LaneLost
		e.Log.Info("lane lost", "error", err)
	default:
		change = LaneFailed
		a.parkAll(err)
	}
	e.Observer.ObserveLane(change, err)
	return err
}

// endedBy tells whether err says no more than that ctx is done.
func endedBy(ctx context.Context, err error) bool {
	return err == nil || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))
}
