package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

var sinkChecks = []check[SinkSpec]{
	{name: "hooks", run: sinkHooks},
	{name: "order, no loss", run: sinkOrder},
	{name: "steps", run: sinkSteps},
	{name: "nothing written", run: sinkNothing},
	{name: "without position", run: sinkUnfinished},
	{name: "cancelled write", run: sinkCancelled},
	{name: "lanes", run: sinkLanes, applies: func(s SinkSpec) bool { return s.Lanes }},
	{name: "dead letters", run: sinkDeadLetters},
	{name: "drain on shutdown", run: sinkDrain},
}

func (s SinkSpec) arrival() arrival { return arrival{carries: s.Carries, ordered: true} }

func (s SinkSpec) messages(first, n int) []pipeline.Message {
	return Messages(s.Carries, first, n, s.MaxValue)
}

func sinkHooks(t *testing.T, s SinkSpec) error {
	m := s.New(t)
	switch {
	case m.Sink == nil || m.Stored == nil:
		return errors.New("the medium lacks Sink or Stored")
	case s.Refuses != (m.Spoil != nil):
		return fmt.Errorf("spec says Refuses %t, the medium's hook does not", s.Refuses)
	}
	return nil
}

// from returns a bounded source of one lane and place that holds msgs.
func from(msgs []pipeline.Message) *MemorySource {
	s := NewSource([]string{"memory"})
	s.Put("memory", msgs...)
	return s
}

func sinkOrder(t *testing.T, s SinkSpec) error {
	m, want := s.New(t), s.messages(0, 700)
	src := from(want)
	src.MaxBatch = 90
	if err := runToEnd(t, s.Timeout, pipeline.Options{Source: src, Sink: m.Sink()}); err != nil {
		return err
	}
	return s.arrival().compareAll(want, m.Stored())
}

// withWriter opens a writer for a lane in memory and leaves the rest to do.
func withWriter(t *testing.T, s SinkSpec, m SinkMedium, do func(context.Context, pipeline.Writer) error) error {
	ctx, cancel := context.WithTimeoutCause(t.Context(), s.Timeout, errTimeout)
	defer cancel()
	err := from(nil).Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		w, err := m.Sink().Open(ctx, lane)
		if err != nil {
			return err
		}
		return do(ctx, w)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// lend writes copies of msgs and overwrites them when Write has returned.
func lend(ctx context.Context, w pipeline.Writer, msgs []pipeline.Message, done *pipeline.Progress) error {
	b := new(batch)
	for i := range msgs {
		b.addMessage(&msgs[i], pipeline.Origin{Place: "memory", Offset: int64(Index(&msgs[i])), Previous: -1})
	}
	err := w.Write(ctx, b.lent.Messages, done)
	for i := range b.bytes {
		b.bytes[i] = 0xAA
	}
	clear(b.lent.Messages)
	return err
}

// at is the progress of having read n messages up to number next-1.
func at(n, next int) *pipeline.Progress {
	return &pipeline.Progress{Messages: n, Places: []pipeline.Position{
		{Place: "memory", Next: int64(next), Last: int64(next - 1)},
	}}
}

func sinkSteps(t *testing.T, s SinkSpec) error {
	m, want := s.New(t), s.messages(0, 30)
	err := withWriter(t, s, m, func(ctx context.Context, w pipeline.Writer) error {
		return errors.Join(
			lend(ctx, w, want[:10], nil),
			lend(ctx, w, want[10:20], nil),
			lend(ctx, w, want[20:29], at(29, 29)),
			lend(ctx, w, want[29:], nil),
			lend(ctx, w, nil, at(1, 30)), // the position alone
			lend(ctx, w, nil, at(0, 31)), // a batch without messages
			w.Close(ctx))
	})
	if err != nil {
		return err
	}
	return s.arrival().compareAll(want, m.Stored())
}

func sinkNothing(t *testing.T, s SinkSpec) error {
	m := s.New(t)
	err := withWriter(t, s, m, func(ctx context.Context, w pipeline.Writer) error { return w.Close(ctx) })
	if err != nil {
		return err
	}
	return s.arrival().compareAll(nil, m.Stored())
}

func sinkUnfinished(t *testing.T, s SinkSpec) error {
	m, want := s.New(t), s.messages(0, 20)
	err := withWriter(t, s, m, func(ctx context.Context, w pipeline.Writer) error {
		return errors.Join(
			lend(ctx, w, want[:10], at(10, 10)),
			lend(ctx, w, want[10:], nil),
			w.Close(ctx))
	})
	if err != nil {
		return err
	}
	got := m.Stored()
	if !s.Atomic {
		return s.arrival().compareAll(want[:max(10, min(len(got), 20))], got)
	}
	return s.arrival().compareAll(want[:10], got)
}

// sinkCancelled checks that a write comes back when its context is done, and
// that a nil error is true.
func sinkCancelled(t *testing.T, s SinkSpec) error {
	m, want := s.New(t), s.messages(0, 20)
	written := 10
	err := withWriter(t, s, m, func(ctx context.Context, w pipeline.Writer) error {
		if err := lend(ctx, w, want[:10], at(10, 10)); err != nil {
			return err
		}
		over, cancel := context.WithCancel(ctx)
		cancel()
		if lend(over, w, want[10:], at(10, 20)) == nil {
			written = 20
		}
		_ = w.Close(over) // must come back, with any error
		return nil
	})
	if err != nil {
		return err
	}
	got := m.Stored()
	if written < len(got) {
		written = min(len(got), len(want)) // an error leaves the outcome open
	}
	return s.arrival().compareAll(want[:written], got)
}

func sinkLanes(t *testing.T, s SinkSpec) error {
	m, want := s.New(t), s.messages(0, 600)
	src := NewSource([]string{"a"}, []string{"b"}, []string{"c"})
	src.MaxBatch = 30
	src.Put("a", want[:200]...)
	src.Put("b", want[200:400]...)
	src.Put("c", want[400:]...)
	if err := runToEnd(t, s.Timeout, pipeline.Options{Source: src, Sink: m.Sink()}); err != nil {
		return err
	}
	got := m.Stored()
	a := s.arrival()
	for i := 0; i < len(want); i += 200 { // lanes have no common order
		lane := slices.DeleteFunc(slices.Clone(got), func(m pipeline.Message) bool {
			return Index(&m) < i || Index(&m) >= i+200
		})
		for j := range lane {
			lane[j].Origin = pipeline.Origin{}
		}
		if err := a.compareAll(want[i:i+200], lane); err != nil {
			return err
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d messages stored, want %d", len(got), len(want))
	}
	return nil
}

func sinkDeadLetters(t *testing.T, s SinkSpec) error {
	m, good := s.New(t), new(MemorySink)
	src := from(s.messages(0, 100))
	src.MaxBatch = 7
	err := runToEnd(t, s.Timeout, pipeline.Options{
		Source: src, Sink: good, DeadLetters: m.Sink(),
		NewTransform: Each(func(_ context.Context, m *pipeline.Message) error {
			if Index(m)%10 == 4 {
				return &pipeline.Reject{Reason: "malformed"}
			}
			return nil
		}),
	})
	if err != nil {
		return err
	}
	got := m.Stored()
	if len(got) != 10 || good.Len() != 90 {
		return fmt.Errorf("%d dead letters and %d good messages, want 10 and 90", len(got), good.Len())
	}
	c := s.Carries
	c.Key, c.Time, c.HeaderOrder = false, 0, true
	for i := range got {
		want := pipeline.Message{Headers: []pipeline.Header{
			{Name: pipeline.HeaderOrigin, Value: fmt.Appendf(nil, "memory@%d", 10*i+4)},
			{Name: pipeline.HeaderReason, Value: []byte("malformed")},
		}}
		if d := Diff(c, &want, &got[i]); d != "" {
			return fmt.Errorf("dead letter %d: %s", i, d)
		}
	}
	return nil
}

func sinkDrain(t *testing.T, s SinkSpec) error {
	m, want := s.New(t), s.messages(0, 500)
	ctx, cancel := context.WithTimeoutCause(t.Context(), s.Timeout, errTimeout)
	defer cancel()
	src := from(want)
	src.Live, src.MaxBatch = true, 20
	stop := FailNth(10, errCut)
	src.OnCommit = func(context.Context, *pipeline.Progress) error {
		if stop() != nil {
			cancel()
		}
		return nil
	}
	if err := pipeline.Run(ctx, completeOptions(pipeline.Options{Source: src, Sink: m.Sink()})); err != nil {
		return err
	}
	if err := context.Cause(ctx); errors.Is(err, errTimeout) {
		return err
	}
	got, committed := m.Stored(), int(src.Committed("memory").Next)
	if len(got) < committed {
		return fmt.Errorf("%d messages committed and %d stored", committed, len(got))
	}
	return s.arrival().compareAll(want[:max(committed, min(len(got), len(want)))], got)
}

// endOfLane is nil for the io.EOF that ends a lane.
func endOfLane(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
