package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	defaultTimeout  = 30 * time.Second
	defaultMaxValue = 256 << 10
)

// Source runs the checks that every Source passes, one subtest each.
func Source(t *testing.T, spec SourceSpec) {
	if spec.MaxValue == 0 {
		spec.MaxValue = defaultMaxValue
	}
	if spec.Timeout == 0 {
		spec.Timeout = defaultTimeout
	}
	runChecks(t, spec, slices.Concat(sourceChecks, parkedChecks))
}

// Sink runs the checks that every Sink passes, one subtest each.
func Sink(t *testing.T, spec SinkSpec) {
	if spec.MaxValue == 0 {
		spec.MaxValue = defaultMaxValue
	}
	if spec.Timeout == 0 {
		spec.Timeout = defaultTimeout
	}
	runChecks(t, spec, slices.Concat(sinkChecks, refusedChecks))
}

// Pair cuts runs off at many places, begins them again and checks the messages
// that arrived.
func Pair(t *testing.T, spec PairSpec) {
	if spec.Timeout == 0 {
		spec.Timeout = defaultTimeout
	}
	runChecks(t, spec, pairChecks)
}

// check is one subtest of a suite. It returns the fault that it finds, so that
// the suites can be tested with faulty connectors.
type check[Spec any] struct {
	name    string
	applies func(Spec) bool // nil: to all
	run     func(*testing.T, Spec) error
}

func runChecks[Spec any](t *testing.T, spec Spec, checks []check[Spec]) {
	for _, c := range checks {
		if c.applies != nil && !c.applies(spec) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(t, spec); err != nil {
				t.Error(err)
			}
		})
	}
}

// errCut is the error with which the suites end lanes.
var errCut = errors.New("cut off by the test")

// runToEnd runs o to its end, which must come within the timeout.
func runToEnd(t *testing.T, timeout time.Duration, o pipeline.Options) error {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	err := pipeline.Run(ctx, completeOptions(o))
	if ctx.Err() != nil {
		return fmt.Errorf("did not end by itself within %v", timeout)
	}
	return err
}

// completeOptions fills in the fields that a check left empty.
func completeOptions(o pipeline.Options) pipeline.Options {
	if o.NewTransform == nil {
		o.NewTransform = Identity
	}
	o.Workers = 3
	o.Log = slog.New(slog.DiscardHandler)
	return o
}

// live is a run that goes on until it is told to stop.
type live struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
	stored chan struct{} // has an entry when the sink may have more
	sink   *MemorySink
}

// startLive runs o in the background, and sets its Sink.
func startLive(t *testing.T, timeout time.Duration, o pipeline.Options) *live {
	return startFailing(t, timeout, o, func() error { return nil })
}

// startFailing is startLive with a Sink that fails a write when fail does.
func startFailing(t *testing.T, timeout time.Duration, o pipeline.Options, fail func() error) *live {
	l := &live{ended: make(chan struct{}), stored: make(chan struct{}, 1), sink: new(MemorySink)}
	l.sink.AfterWrite = func(context.Context, *pipeline.Progress) error {
		select {
		case l.stored <- struct{}{}:
		default:
		}
		return nil
	}
	l.sink.OnWrite = func(context.Context, []pipeline.Message, *pipeline.Progress) error { return fail() }
	o.Sink = l.sink
	ctx, cancel := context.WithTimeoutCause(t.Context(), timeout, errTimeout)
	l.cancel = cancel
	go func() {
		defer close(l.ended)
		l.err = pipeline.Run(ctx, completeOptions(o))
		if errors.Is(context.Cause(ctx), errTimeout) {
			l.err = errTimeout
		}
	}()
	t.Cleanup(func() { _ = l.stop() })
	return l
}

var errTimeout = errors.New("took longer than the spec's timeout")

// awaitStored waits until at least n different messages have been stored.
func (l *live) awaitStored(n int) error {
	for {
		if seen := countDistinct(l.sink.Stored()); seen >= n {
			return nil
		}
		select {
		case <-l.stored:
		case <-l.ended:
			return fmt.Errorf("ended with %d of %d messages: %w", countDistinct(l.sink.Stored()), n, l.err)
		}
	}
}

// stop ends the run and returns its error.
func (l *live) stop() error {
	l.cancel()
	<-l.ended
	return l.err
}
