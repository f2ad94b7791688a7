package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

var pairChecks = []check[PairSpec]{
	{name: "hooks", run: pairHooks},
	{name: "one run", run: pairOnce},
	{name: "runs that fail", run: pairFailing},
	{name: "runs that are stopped", run: pairStopped},
	{name: "more to read", run: pairMore},
	{name: "parked places", run: pairParked},
	{name: "dead letters", run: pairLetters},
}

const pairMaxValue = 16 << 10

func (s PairSpec) arrival() arrival {
	return arrival{carries: s.Carries, ordered: true, repeats: !s.ExactlyOnce}
}

func (s PairSpec) run(t *testing.T, m PairMedium, transform func() pipeline.Transform) error {
	src, sink := m.Open()
	o := pipeline.Options{Source: src, Sink: sink, NewTransform: transform, ReadAhead: 4 << 10}
	return runToEnd(t, s.Timeout, o)
}

func pairHooks(t *testing.T, s PairSpec) error {
	if m := s.New(t); m.Put == nil || m.Open == nil || m.Stored == nil {
		return errors.New("the medium lacks a hook")
	}
	return nil
}

func pairOnce(t *testing.T, s PairSpec) error {
	m, want := s.New(t), Messages(s.Carries, 0, 500, pairMaxValue)
	m.Put(want)
	if err := s.run(t, m, nil); err != nil {
		return err
	}
	return s.arrival().compareAll(want, m.Stored())
}

func pairFailing(t *testing.T, s PairSpec) error {
	m, want := s.New(t), Messages(s.Carries, 0, 500, pairMaxValue)
	m.Put(want)
	for _, n := range []int{0, 1, 2, 77, 250, 499} {
		err := s.run(t, m, failAt(n, errCut))
		// Another lane may have got past its message while one of an earlier
		// run was cut off.
		if n == 0 && err == nil || err != nil && !errors.Is(err, errCut) {
			return fmt.Errorf("the run did not return the lane's error: %w", err)
		}
	}
	if err := s.run(t, m, nil); err != nil {
		return err
	}
	return s.arrival().compareAll(want, m.Stored())
}

func pairStopped(t *testing.T, s PairSpec) error {
	m, want := s.New(t), Messages(s.Carries, 0, 500, pairMaxValue)
	m.Put(want)
	for _, n := range []int64{1, 30, 90, 200} {
		if err := s.stopAfter(t, m, n); err != nil {
			return err
		}
	}
	if err := s.run(t, m, nil); err != nil {
		return err
	}
	return s.arrival().compareAll(want, m.Stored())
}

// stopAfter ends a run when n messages have been transformed.
func (s PairSpec) stopAfter(t *testing.T, m PairMedium, n int64) error {
	ctx, cancel := context.WithTimeoutCause(t.Context(), s.Timeout, errTimeout)
	defer cancel()
	var count atomic.Int64
	src, sink := m.Open()
	err := pipeline.Run(ctx, completeOptions(pipeline.Options{
		Source: src, Sink: sink, ReadAhead: 4 << 10,
		NewTransform: Each(func(context.Context, *pipeline.Message) error {
			if count.Add(1) == n {
				cancel()
			}
			return nil
		}),
	}))
	if err != nil {
		return fmt.Errorf("stopped run: %w", err)
	}
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		return cause
	}
	return nil
}

func pairMore(t *testing.T, s PairSpec) error {
	m, want := s.New(t), Messages(s.Carries, 0, 300, pairMaxValue)
	for i := 0; i < len(want); i += 100 {
		m.Put(want[i : i+100])
		if err := s.run(t, m, nil); err != nil {
			return err
		}
	}
	return s.arrival().compareAll(want, m.Stored())
}

// pairParked parks places at one message after the other, run after run, and
// lets all pass in the end.
func pairParked(t *testing.T, s PairSpec) error {
	m, want := s.New(t), Messages(s.Carries, 0, 500, pairMaxValue)
	m.Put(want)
	for _, n := range []int{3, 3, 90, 250, 251} {
		err := s.run(t, m, Each(func(_ context.Context, m *pipeline.Message) error {
			if i := Index(m); i == n || i == n+100 || i == n+102 {
				return &pipeline.Reject{Reason: pipeline.ReasonMalformed}
			}
			return nil
		}))
		if _, parked := errors.AsType[*pipeline.ParkedError](err); err != nil && !parked {
			return fmt.Errorf("the run ended with %w", err)
		}
	}
	if err := s.run(t, m, nil); err != nil {
		return err
	}
	return s.arrival().compareAll(want, m.Stored())
}

// pairLetters sets messages aside, in runs that are cut off too.
func pairLetters(t *testing.T, s PairSpec) error {
	m, all := s.New(t), Messages(s.Carries, 0, 300, pairMaxValue)
	m.Put(all)
	bad := func(i int) bool { return i%10 == 4 }
	dead := new(MemorySink)
	for _, n := range []int{50, 51, -1} {
		src, sink := m.Open()
		err := runToEnd(t, s.Timeout, pipeline.Options{
			Source: src, Sink: sink, DeadLetters: dead, ReadAhead: 4 << 10,
			NewTransform: Each(func(_ context.Context, m *pipeline.Message) error {
				switch i := Index(m); {
				case bad(i):
					return &pipeline.Reject{Reason: pipeline.ReasonMalformed}
				case i == n:
					return errCut
				}
				return nil
			}),
		})
		if err != nil && !errors.Is(err, errCut) {
			return err
		}
	}
	if n := len(originsOf(dead.Stored())); n != 30 {
		return fmt.Errorf("dead letters of %d messages, want 30", n)
	}
	want := slices.DeleteFunc(all, func(m pipeline.Message) bool { return bad(Index(&m)) })
	return s.arrival().compareAll(want, m.Stored())
}

// originsOf returns the different origins of dead letters.
func originsOf(letters []pipeline.Message) map[string]bool {
	origins := make(map[string]bool)
	for i := range letters {
		origins[string(letters[i].Headers[0].Value)] = true
	}
	return origins
}
