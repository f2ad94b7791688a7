package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

var sourceChecks = []check[SourceSpec]{
	{name: "hooks", run: sourceHooks},
	{name: "empty medium", run: sourceEmpty},
	{name: "order, no loss", run: sourceOrder},
	{name: "previous offsets", run: sourcePrevious, applies: func(s SourceSpec) bool { return s.Ordered }},
	{name: "batches", run: sourceBatches},
	{name: "release discipline", run: sourceRelease},
	{name: "resume after a failure", run: sourceResume, applies: func(s SourceSpec) bool { return s.Resumes }},
	{name: "nothing twice after the end", run: sourceFinished, applies: func(s SourceSpec) bool { return s.Resumes }},
	{name: "lost lane", run: sourceLost, applies: func(s SourceSpec) bool { return s.ServesAgain }},
	{name: "gaps", run: sourceGaps, applies: func(s SourceSpec) bool { return s.Gaps }},
	{name: "waits for more", run: sourceLive, applies: func(s SourceSpec) bool { return s.Live }},
	{name: "drain on shutdown", run: sourceDrain, applies: func(s SourceSpec) bool { return s.Live && s.Resumes }},
	{name: "revoked lane", run: sourceRevoked, applies: func(s SourceSpec) bool { return s.Revokes }},
}

func (s SourceSpec) arrival() arrival {
	return arrival{carries: s.Carries, ordered: s.Ordered, offsets: true}
}

func (s SourceSpec) messages(first, n int) []pipeline.Message {
	return Messages(s.Carries, first, n, s.MaxValue)
}

// bounded runs a bounded source on m into sink.
func (s SourceSpec) bounded(
	t *testing.T, m SourceMedium, sink pipeline.Sink, transform func() pipeline.Transform,
) error {
	o := pipeline.Options{Source: m.Bounded(), Sink: sink, NewTransform: transform}
	return runToEnd(t, s.Timeout, o)
}

func sourceHooks(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	switch {
	case m.Put == nil || m.Bounded == nil:
		return errors.New("the medium lacks Put or Bounded")
	case s.Live != (m.Live != nil):
		return fmt.Errorf("spec says Live %t, the medium's hook does not", s.Live)
	case s.Revokes != (m.Revoke != nil):
		return fmt.Errorf("spec says Revokes %t, the medium's hook does not", s.Revokes)
	case s.Gaps != (m.Gap != nil):
		return fmt.Errorf("spec says Gaps %t, the medium's hook does not", s.Gaps)
	case s.Revokes && !s.Live:
		return errors.New("spec says Revokes without Live")
	}
	return nil
}

func sourceEmpty(t *testing.T, s SourceSpec) error {
	sink := new(MemorySink)
	if err := s.bounded(t, s.New(t), sink, nil); err != nil {
		return err
	}
	return s.arrival().compareAll(nil, sink.Stored())
}

func sourceOrder(t *testing.T, s SourceSpec) error {
	m, sink := s.New(t), new(MemorySink)
	want := s.messages(0, 700)
	m.Put(want[:1])
	m.Put(want[1:400])
	m.Put(want[400:])
	if err := s.bounded(t, m, sink, nil); err != nil {
		return err
	}
	return s.arrival().compareAll(want, sink.Stored())
}

func sourcePrevious(t *testing.T, s SourceSpec) error {
	m, sink := s.New(t), new(MemorySink)
	m.Put(s.messages(0, 50))
	if err := s.bounded(t, m, sink, nil); err != nil {
		return err
	}
	last := make(map[string]int64)
	for _, msg := range sink.Stored() {
		o := msg.Origin
		before, known := last[o.Place]
		if known && o.Previous != before {
			return fmt.Errorf("%s@%d: previous is %d, want %d", o.Place, o.Offset, o.Previous, before)
		}
		if !known && o.Previous != -1 {
			return fmt.Errorf("%s@%d: previous is %d at the very start, want -1", o.Place, o.Offset, o.Previous)
		}
		last[o.Place] = o.Offset
	}
	return nil
}

// failAt returns a transform that ends the lane at message n.
func failAt(n int, err error) func() pipeline.Transform {
	return Each(func(_ context.Context, m *pipeline.Message) error {
		if Index(m) == n {
			return err
		}
		return nil
	})
}

func sourceResume(t *testing.T, s SourceSpec) error {
	m, sink := s.New(t), new(MemorySink)
	want := s.messages(0, 400)
	m.Put(want)
	for _, n := range []int{0, 1, 150, 399} {
		err := s.bounded(t, m, sink, failAt(n, errCut))
		// Another lane may have got past its message while one of an earlier
		// run was cut off.
		if n == 0 && err == nil || err != nil && !errors.Is(err, errCut) {
			return fmt.Errorf("the run did not return the lane's error: %w", err)
		}
	}
	if err := s.bounded(t, m, sink, nil); err != nil {
		return err
	}
	return s.arrival().compareAll(want, sink.Stored())
}

func sourceFinished(t *testing.T, s SourceSpec) error {
	m, sink := s.New(t), new(MemorySink)
	want := s.messages(0, 100)
	m.Put(want[:60])
	if err := s.bounded(t, m, sink, nil); err != nil {
		return err
	}
	m.Put(want[60:])
	for range 2 {
		if err := s.bounded(t, m, sink, nil); err != nil {
			return err
		}
	}
	return s.arrival().compareAll(want, sink.Stored())
}

func sourceLost(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 400)
	m.Put(want)
	fail := FailNth(2, pipeline.ErrLost)
	sink := &MemorySink{AfterWrite: func(context.Context, *pipeline.Progress) error { return fail() }}
	o := pipeline.Options{Source: m.Bounded(), Sink: sink, ReadAhead: 4 << 10}
	if err := runToEnd(t, s.Timeout, o); err != nil {
		return err
	}
	a := s.arrival()
	a.repeats = true // messages that were written and not committed
	return a.compareAll(want, sink.Stored())
}

func sourceGaps(t *testing.T, s SourceSpec) error {
	m, sink := s.New(t), new(MemorySink)
	want := s.messages(0, 60)
	m.Gap()
	for i := 0; i < len(want); i += 20 {
		m.Put(want[i : i+20])
		m.Gap()
		m.Gap()
	}
	if err := s.bounded(t, m, sink, nil); err != nil {
		return err
	}
	return s.arrival().compareAll(want, sink.Stored())
}
