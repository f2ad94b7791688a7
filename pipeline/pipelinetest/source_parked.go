package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// parkedChecks are about places that stand still.
var parkedChecks = []check[SourceSpec]{
	{name: "parked place ends a bounded run", run: sourceParked},
	{
		name: "parked place leaves the others alone", run: sourceNeighbours,
		applies: func(s SourceSpec) bool { return s.Resumes },
	},
	{
		name: "parked place stays parked after a lost lane", run: sourceParkedAndLost,
		applies: func(s SourceSpec) bool { return s.ServesAgain },
	},
	{name: "parked place is left alone", run: sourceParkedLeftAlone,
		applies: func(s SourceSpec) bool { return s.Live }},
	{name: "parked place is tried again", run: sourceTried, applies: func(s SourceSpec) bool { return s.Live }},
	{name: "failed lane is served again", run: sourceServedAgain, applies: func(s SourceSpec) bool { return s.Live }},
}

// parkedAt checks that err says that one place stands still at message n
// because of cause, and returns where it stands.
func parkedAt(err, cause error) (pipeline.Origin, error) {
	parked, ok := errors.AsType[*pipeline.ParkedError](err)
	if !ok || len(parked.Parked) != 1 || !errors.Is(err, cause) {
		return pipeline.Origin{}, fmt.Errorf("the run did not end with one parked place: %w", err)
	}
	at, ok := errors.AsType[*pipeline.MessageError](parked.Parked[0].Err)
	if !ok || parked.Parked[0].At != at.Origin.Offset ||
		!slices.Equal(parked.Parked[0].Places, []string{at.Origin.Place}) {
		return pipeline.Origin{}, fmt.Errorf("the parked place is not that of the message: %+v", parked.Parked[0])
	}
	return at.Origin, nil
}

func sourceParked(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	m.Put(s.messages(0, 50))
	sink := new(MemorySink)
	at, err := parkedAt(s.bounded(t, m, sink, failAt(20, errCut)), errCut)
	if err != nil {
		return err
	}
	for _, stored := range sink.Stored() {
		if stored.Origin.Place == at.Place && s.Ordered && stored.Origin.Offset >= at.Offset {
			return fmt.Errorf("%s@%d is behind the parked message @%d", at.Place, stored.Origin.Offset, at.Offset)
		}
	}
	return nil
}

// sourceNeighbours carries all that is not behind a parked message in one run,
// and the rest in the next.
func sourceNeighbours(t *testing.T, s SourceSpec) error {
	m, sink := s.New(t), new(MemorySink)
	want := s.messages(0, 400)
	m.Put(want)
	at, err := parkedAt(s.bounded(t, m, sink, failAt(90, errCut)), errCut)
	if err != nil {
		return err
	}
	before := sink.Len()
	if err := s.bounded(t, m, sink, nil); err != nil {
		return err
	}
	for _, stored := range sink.Stored()[before:] {
		if stored.Origin.Place != at.Place {
			return fmt.Errorf("message %d of %s was not carried because %s was parked",
				Index(&stored), stored.Origin.Place, at.Place)
		}
	}
	return s.arrival().compareAll(want, sink.Stored())
}

// failOnce returns a transform that fails at message n the first times it sees
// it.
func failOnce(n int, times int64, err error) func() pipeline.Transform {
	var seen atomic.Int64
	return Each(func(_ context.Context, m *pipeline.Message) error {
		if Index(m) == n && seen.Add(1) <= times {
			return err
		}
		return nil
	})
}

// sourceParkedAndLost loses the lane at its end, when a place of it is parked.
// The message would pass if it were transformed again: it must not be.
func sourceParkedAndLost(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	m.Put(s.messages(0, 400))
	var parked atomic.Bool
	var lost atomic.Int64
	sink := &MemorySink{OnClose: func(context.Context) error {
		if parked.Load() && lost.Add(1) <= 4 { // whichever lane it is
			return pipeline.ErrLost
		}
		return nil
	}}
	err := runToEnd(t, s.Timeout, pipeline.Options{
		Source: m.Bounded(), Sink: sink, ReadAhead: 4 << 10, NewTransform: failOnce(90, 1, errCut),
		Observer: &Recorder{Parked: func(string, error) { parked.Store(true) }},
	})
	at, err := parkedAt(err, errCut)
	if err != nil {
		return err
	}
	if lost.Load() == 0 {
		return errors.New("the lane was not lost")
	}
	for _, stored := range sink.Stored() {
		if stored.Origin.Place == at.Place && s.Ordered && stored.Origin.Offset >= at.Offset {
			return fmt.Errorf("%s@%d was carried after the lane was lost, behind the parked message @%d",
				at.Place, stored.Origin.Offset, at.Offset)
		}
	}
	return nil
}

func sourceParkedLeftAlone(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	parked := make(chan error, 64)
	want := s.messages(0, 50)
	m.Put(want[:1])
	l := startLive(t, s.Timeout, pipeline.Options{
		Source:       m.Live(),
		NewTransform: failAt(0, errCut),
		Observer:     &Recorder{Parked: func(_ string, err error) { parked <- err }},
	})
	select {
	case err := <-parked:
		if !errors.Is(err, errCut) {
			return fmt.Errorf("parked with %w", err)
		}
	case <-l.ended:
		return fmt.Errorf("a live run ended when its place was parked: %w", l.err)
	}
	m.Put(want[1:])
	// A source that is right passes after any time; one that is wrong has this
	// long to show it.
	select {
	case err := <-parked:
		return fmt.Errorf("the parked place was read again, and parked with %w", err)
	case <-l.ended:
		return fmt.Errorf("a live run ended when its place was parked: %w", l.err)
	case <-afterAWhile():
	}
	if _, err := parkedAt(l.stop(), errCut); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}

// sourceTried parks a place twice for a cause that passes then.
func sourceTried(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 300)
	m.Put(want)
	trials := new(trialSpy)
	l := startLive(t, s.Timeout, pipeline.Options{
		Source: spied{m.Live(), trials}, ReadAhead: 4 << 10,
		NewTransform: failOnce(90, 2, pipeline.Passing(errCut)),
	})
	if err := l.awaitStored(300); err != nil {
		return err
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	if err := trials.check(2); err != nil {
		return err
	}
	return s.arrival().compareAll(want, l.sink.Stored())
}

// sourceServedAgain fails a lane as a whole twice for a cause that passes then.
func sourceServedAgain(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 300)
	m.Put(want)
	var writes atomic.Int64
	l := startFailing(t, s.Timeout, pipeline.Options{Source: m.Live(), ReadAhead: 4 << 10}, func() error {
		if n := writes.Add(1); n == 3 || n == 4 {
			return pipeline.Passing(errCut)
		}
		return nil
	})
	if err := l.awaitStored(300); err != nil {
		return err
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return s.arrival().compareAll(want, l.sink.Stored())
}

// trialSpy looks at the batches of a source that begin a place again.
type trialSpy struct {
	mu     sync.Mutex
	trials int
	err    error
}

func (s *trialSpy) look(l pipeline.Lane, b *pipeline.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, from := range b.Starts {
		s.trials++
		count := 0
		for i := range b.Messages {
			if b.Messages[i].Origin.Place == from.Place {
				count++
			}
		}
		if count > 1 && s.err == nil {
			s.err = fmt.Errorf("a trial of %s read %d messages", from.Place, count)
		}
		if l.Assignment().Stop(from.Place) == math.MaxInt64 && s.err == nil {
			s.err = fmt.Errorf("%s begins again and was not parked", from.Place)
		}
	}
}

func (s *trialSpy) check(want int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && s.trials != want {
		return fmt.Errorf("%d trials, want %d", s.trials, want)
	}
	return s.err
}

// spied shows the batches of a source to a trialSpy.
type spied struct {
	pipeline.Source
	spy *trialSpy
}

func (s spied) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return s.Source.Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		return serve(ctx, spiedLane{lane, s.spy})
	})
}

type spiedLane struct {
	pipeline.Lane
	spy *trialSpy
}

func (l spiedLane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	b, err := l.Lane.Read(ctx, limit)
	if err == nil {
		l.spy.look(l.Lane, b)
	}
	return b, err
}
