package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// The shape of the pipeline's work.
const (
	messageBytes  = 1 << 10
	batchMessages = 500
)

// coreLimit is the most that the pipeline may cost a message on top of its
// transform, in microseconds.
const coreLimit = 0.1

// measureCore compares the pipeline, from memory to memory, with a loop that
// calls the same transform.
func measureCore(ctx context.Context, budget time.Duration) ([]Figure, error) {
	var figures []Figure
	r, err := newRoute(ctx, "ref")
	if err != nil {
		return nil, err
	}
	defer r.stopRenewal()
	for _, workers := range []int{1, 2} {
		c := &core{workers: workers, transform: func() (pipeline.Transform, error) {
			return transform.NewEncrypt(transform.EncryptOptions{
				Sealer: r.sealer,
				Place:  func(string) transform.Place { return transform.Place{Source: position.Source, Ordered: true} },
			})
		}}
		f, err := c.compareCosts(ctx, budget)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f...)
	}
	return figures, nil
}

// core is one way to run a pipeline.
type core struct {
	workers   int
	transform func() (pipeline.Transform, error)
	depth     int          // at which transforms are called; see callDepths
	observer  *watch.Route // nil: nobody
	steps     pipeline.StepObserver
}

// callDepths is the number of stack depths at which the transform is called,
// one a round. Both sides pay for the calls on the way.
const callDepths = 8

// deep calls a transform at a stack depth.
type deep struct {
	pipeline.Transform
	depth int
}

func (d *deep) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	return appendAt(ctx, d.depth, d.Transform, dst, m)
}

//go:noinline
func appendAt(ctx context.Context, depth int, t pipeline.Transform, dst []byte, m *pipeline.Message) ([]byte, error) {
	var frame [72]byte // as in timeOperation
	if depth > 0 {
		out, err := appendAt(ctx, depth-1, t, dst, m)
		runtime.KeepAlive(&frame)
		return out, err
	}
	return t.Append(ctx, dst, m)
}

func (c *core) newTransform() (pipeline.Transform, error) {
	t, err := c.transform()
	return &deep{Transform: t, depth: c.depth}, err
}

// cost is the time that messages took, in microseconds each.
type cost struct{ wall, cpu float64 }

func (c *core) compareCosts(ctx context.Context, budget time.Duration) ([]Figure, error) {
	const batches = 400
	var extra, wall, baseline []float64
	for end := time.Now().Add(budget); len(extra) < 2*callDepths || time.Now().Before(end); {
		c.depth = len(extra) % callDepths
		loop, err := timeMessages(batches, func() error { return c.runLoop(ctx, batches) })
		if err != nil {
			return nil, err
		}
		run, err := timeMessages(batches, func() error { return c.runPipeline(ctx, batches) })
		if err != nil {
			return nil, err
		}
		extra = append(extra, run.cpu-loop.cpu)
		wall = append(wall, run.wall-loop.wall)
		baseline = append(baseline, loop.cpu)
	}
	allocs, err := c.measureAllocs(ctx)
	if err != nil {
		return nil, err
	}
	cpu, transformed := middleOf(extra), middleOf(baseline)
	name := fmt.Sprintf("%d worker", c.workers)
	if c.workers > 1 {
		name += "s"
	}
	return []Figure{
		{
			Part: "pipeline core", Name: name + ", on top of the transform",
			Value: cpu.median, Unit: "us", Limit: newLimit(coreLimit), Spread: cpu.makeSpread(),
			Beside: map[string]float64{
				"transform us": transformed.median, "wall on top us": middleOf(wall).median,
				"rounds": float64(len(extra)),
			},
			Note: fmt.Sprintf("of processor time a message, %.3f to %.3f; "+
				"the transform alone takes %.3f; by the clock %+.3f",
				cpu.low, cpu.high, transformed.median, middleOf(wall).median),
		},
		{
			Part: "pipeline core", Name: name + ", allocations",
			Value: allocs, Unit: "allocs", Limit: newLimit(0), Note: "a message",
		},
	}, nil
}

// runLoop calls the transform and nothing else, over as many batches as the
// pipeline has in flight.
func (c *core) runLoop(ctx context.Context, batches int) error {
	t, err := c.newTransform()
	if err != nil {
		return err
	}
	pool := newBatches(c.workers + 1)
	var dst []byte
	for i := range batches {
		b := pool[i%len(pool)]
		dst = dst[:0]
		for j := range b.Messages {
			m := &b.Messages[j]
			if need := len(dst) + t.Bound(m); need > cap(dst) {
				dst = append(make([]byte, 0, max(need, 2*cap(dst))), dst...)
			}
			if dst, err = t.Append(ctx, dst, m); err != nil {
				return err
			}
		}
		t.Reset()
	}
	return nil
}

// runPipeline carries the batches through a pipeline.
func (c *core) runPipeline(ctx context.Context, batches int) error {
	var failed error
	sink := new(discard)
	o := pipeline.Options{
		Source: &repeater{batches: batches, pool: newBatches(c.workers + 1)}, Sink: sink, Workers: c.workers,
		NewTransform: func() pipeline.Transform {
			t, err := c.newTransform()
			failed = errors.Join(failed, err)
			return t
		},
	}
	if c.observer != nil {
		o.Observer, o.Work = c.observer, c.observer
	}
	o.Steps = c.steps
	err := pipeline.Run(ctx, o)
	if err = errors.Join(failed, err); err != nil {
		return err
	}
	if want := batches * batchMessages; sink.messages != want {
		return fmt.Errorf("the pipeline wrote %d messages of %d", sink.messages, want)
	}
	return nil
}

// measureAllocs returns how many allocations a message costs: the difference
// between a long run and a short one. The best of three tries counts, because
// allocations of the rest of the process count too.
func (c *core) measureAllocs(ctx context.Context) (float64, error) {
	const short, long = 50, 550
	best := uint64(1 << 62)
	for range 3 {
		few, err := countMallocs(func() error { return c.runPipeline(ctx, short) })
		if err != nil {
			return 0, err
		}
		many, err := countMallocs(func() error { return c.runPipeline(ctx, long) })
		if err != nil {
			return 0, err
		}
		best = min(best, many-min(few, many))
	}
	// Fewer than one in ten batches are the runtime's own, which makes a few
	// objects for its scheduler.
	if best < (long-short)/10 {
		return 0, nil
	}
	return float64(best) / ((long - short) * batchMessages), nil
}

func countMallocs(f func() error) (uint64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs, err
}

// timeMessages returns the cost of a message of f.
func timeMessages(batches int, f func() error) (cost, error) {
	runtime.GC() // this run must not pay for the garbage of the last one
	used, begin := processorTime(), time.Now()
	if err := f(); err != nil {
		return cost{}, err
	}
	messages := float64(batches * batchMessages)
	return cost{
		wall: float64(time.Since(begin).Nanoseconds()) / 1e3 / messages,
		cpu:  float64((processorTime() - used).Nanoseconds()) / 1e3 / messages,
	}, nil
}

// processorTime returns the processor time that this process has used so far,
// on all cores.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
