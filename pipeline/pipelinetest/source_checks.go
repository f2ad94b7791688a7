package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

var sourceChecks = []check[SourceSpec]{
	{name: "hooks", run: sourceHooks},
	{name: "empty medium", run: sourceEmpty},
	{name: "order, no loss", run: sourceOrder},
	{name: "previous offsets", run: sourcePrevious, applies: func(s SourceSpec) bool { return s.Ordered }},
	{name: "batches", run: sourceBatches},
	{name: "release discipline", run: sourceRelease},
	{name: "parked lane ends a bounded run", run: sourceParked},
	{name: "resume after a failure", run: sourceResume, applies: func(s SourceSpec) bool { return s.Resumes }},
	{name: "nothing twice after the end", run: sourceFinished, applies: func(s SourceSpec) bool { return s.Resumes }},
	{name: "lost lane", run: sourceLost, applies: func(s SourceSpec) bool { return s.ServesAgain }},
	{name: "gaps", run: sourceGaps, applies: func(s SourceSpec) bool { return s.Gaps }},
	{name: "waits for more", run: sourceLive, applies: func(s SourceSpec) bool { return s.Live }},
	{name: "drain on shutdown", run: sourceDrain, applies: func(s SourceSpec) bool { return s.Live && s.Resumes }},
	{name: "parked lane is left alone", run: sourceParkedLive, applies: func(s SourceSpec) bool { return s.Live }},
	{name: "revoked lane", run: sourceRevoked, applies: func(s SourceSpec) bool { return s.Revokes }},
}

func (s SourceSpec) arrival() arrival {
	return arrival{carries: s.Carries, ordered: s.Ordered, offsets: true}
}

func (s SourceSpec) messages(first, n int) []pipeline.Message {
	return Messages(s.Carries, first, n, s.MaxValue)
}

// bounded runs a bounded source on m into sink.
func (s SourceSpec) bounded(t *testing.T, m SourceMedium, sink pipeline.Sink, transform func() pipeline.Transform) error {
	return run(t, s.Timeout, pipeline.Options{Source: m.Bounded(), Sink: sink, NewTransform: transform})
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
	return s.arrival().compare(nil, sink.Stored())
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
	return s.arrival().compare(want, sink.Stored())
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

// lanes serves a bounded source on m by hand, one lane after the other.
func (s SourceSpec) lanes(t *testing.T, m SourceMedium, do func(context.Context, pipeline.Lane) error) error {
	ctx, cancel := context.WithTimeoutCause(t.Context(), s.Timeout, errTimeout)
	defer cancel()
	var one sync.Mutex
	err := m.Bounded().Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		one.Lock()
		defer one.Unlock()
		return endOfLane(do(ctx, lane))
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// settle commits and releases a batch and returns copies of its messages.
func settle(ctx context.Context, lane pipeline.Lane, b *pipeline.Batch) ([]pipeline.Message, error) {
	var got []pipeline.Message
	for i := range b.Messages {
		got = append(got, clone(&b.Messages[i]))
	}
	for i := range b.Ends {
		b.Ends[i].Last = -1
		for j := range got {
			if got[j].Origin.Place == b.Ends[i].Place {
				b.Ends[i].Last = got[j].Origin.Offset
			}
		}
	}
	err := lane.Commit(ctx, &pipeline.Progress{Messages: len(got), Places: b.Ends})
	if b.Release != nil {
		b.Release()
	}
	return got, err
}

func sourceBatches(t *testing.T, s SourceSpec) error {
	const limit = 4 << 10
	m := s.New(t)
	want := s.messages(0, 300)
	m.Put(want)
	var all []pipeline.Message
	err := s.lanes(t, m, func(ctx context.Context, lane pipeline.Lane) error {
		for {
			b, err := lane.Read(ctx, limit)
			if err != nil {
				return err
			}
			if err := checkBatch(b, limit, s.Ordered); err != nil {
				return err
			}
			got, err := settle(ctx, lane, b)
			if err != nil {
				return err
			}
			all = append(all, got...)
		}
	})
	if err != nil {
		return err
	}
	return s.arrival().compare(want, all)
}

// checkBatch checks what a Source promises about each batch.
func checkBatch(b *pipeline.Batch, limit int, ordered bool) error {
	bytes, largest := 0, 0
	last := make(map[string]int64)
	for i := range b.Messages {
		n := size(&b.Messages[i])
		bytes, largest = bytes+n, max(largest, n)
		last[b.Messages[i].Origin.Place] = b.Messages[i].Origin.Offset
	}
	ends := make(map[string]bool)
	for _, e := range b.Ends {
		if ends[e.Place] {
			return fmt.Errorf("two ends for %s", e.Place)
		}
		ends[e.Place] = true
		if l, ok := last[e.Place]; ok && ordered && e.Next <= l {
			return fmt.Errorf("%s ends at %d, its last message is %d", e.Place, e.Next, l)
		}
	}
	for p := range last {
		if !ends[p] {
			return fmt.Errorf("no end for %s", p)
		}
	}
	switch {
	case len(b.Messages) == 0 && len(b.Ends) == 0:
		return errors.New("a batch of nothing")
	case b.Size < bytes:
		return fmt.Errorf("batch of %d bytes says that it pins %d", bytes, b.Size)
	case bytes > limit+largest:
		return fmt.Errorf("batch of %d bytes for a limit of %d, the largest message having %d", bytes, limit, largest)
	}
	return nil
}

// sourceRelease holds three batches of a lane at a time: reading the third must not touch the first.
func sourceRelease(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 300)
	m.Put(want)
	var all []pipeline.Message
	err := s.lanes(t, m, func(ctx context.Context, lane pipeline.Lane) error {
		var held []*pipeline.Batch
		for {
			b, end := lane.Read(ctx, 4<<10)
			if end == nil {
				held = append(held, b)
			}
			if end == nil && len(held) < 3 {
				continue
			}
			for _, b := range held {
				got, err := settle(ctx, lane, b)
				if err != nil {
					return err
				}
				all = append(all, got...)
			}
			if held = held[:0]; end != nil {
				return end
			}
		}
	})
	if err != nil {
		return err
	}
	return s.arrival().compare(want, all)
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

func sourceParked(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	m.Put(s.messages(0, 50))
	if err := s.bounded(t, m, new(MemorySink), failAt(20, errCut)); !errors.Is(err, errCut) {
		return fmt.Errorf("the run returned %v, want the lane's error", err)
	}
	return nil
}

func sourceResume(t *testing.T, s SourceSpec) error {
	m, sink := s.New(t), new(MemorySink)
	want := s.messages(0, 400)
	m.Put(want)
	for _, n := range []int{0, 1, 150, 399} {
		err := s.bounded(t, m, sink, failAt(n, errCut))
		// Another lane may have got past its message while one of an earlier run was cut off.
		if n == 0 && err == nil || err != nil && !errors.Is(err, errCut) {
			return fmt.Errorf("the run returned %v, want the lane's error", err)
		}
	}
	if err := s.bounded(t, m, sink, nil); err != nil {
		return err
	}
	return s.arrival().compare(want, sink.Stored())
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
	return s.arrival().compare(want, sink.Stored())
}

func sourceLost(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 400)
	m.Put(want)
	fail := FailNth(2, pipeline.ErrLost)
	sink := &MemorySink{AfterWrite: func(context.Context, *pipeline.Progress) error { return fail() }}
	o := pipeline.Options{Source: m.Bounded(), Sink: sink, ReadAhead: 4 << 10}
	if err := run(t, s.Timeout, o); err != nil {
		return err
	}
	a := s.arrival()
	a.repeats = true // what was written and not committed
	return a.compare(want, sink.Stored())
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
	return s.arrival().compare(want, sink.Stored())
}

func sourceLive(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 300)
	l := startLive(t, s.Timeout, pipeline.Options{Source: m.Live()})
	stored := 0
	for _, n := range []int{100, 101, 300} {
		m.Put(want[stored:n])
		stored = n
		if err := l.await(n); err != nil {
			return err
		}
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return s.arrival().compare(want, l.sink.Stored())
}

func sourceDrain(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 600)
	m.Put(want)
	l := startLive(t, s.Timeout, pipeline.Options{Source: m.Live(), ReadAhead: 4 << 10})
	if err := l.await(100); err != nil {
		return err
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	rest := new(MemorySink)
	if err := s.bounded(t, m, rest, nil); err != nil {
		return err
	}
	// A shutdown within grace commits what it wrote, so nothing comes twice.
	return s.arrival().compare(want, append(l.sink.Stored(), rest.Stored()...))
}

func sourceParkedLive(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	parked := make(chan error, 64)
	want := s.messages(0, 50)
	m.Put(want[:1])
	l := startLive(t, s.Timeout, pipeline.Options{
		Source:       m.Live(),
		NewTransform: failAt(0, errCut),
		Parked:       func(err error) { parked <- err },
	})
	select {
	case err := <-parked:
		if !errors.Is(err, errCut) {
			return fmt.Errorf("parked with %w", err)
		}
	case <-l.ended:
		return fmt.Errorf("a live run ended when its lane was parked: %w", l.err)
	}
	m.Put(want[1:])
	// A source that is right passes whatever the time; one that is wrong has it to show that.
	select {
	case <-parked:
		return errors.New("the parked lane was served again")
	case <-l.ended:
		return fmt.Errorf("a live run ended when its lane was parked: %w", l.err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := l.stop(); err != nil && !errors.Is(err, errCut) {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}

func sourceRevoked(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 600)
	m.Put(want[:300])
	l := startLive(t, s.Timeout, pipeline.Options{Source: m.Live(), ReadAhead: 4 << 10})
	for _, n := range []int{50, 150, 300} {
		if err := l.await(n); err != nil {
			return err
		}
		m.Revoke()
	}
	m.Put(want[300:])
	if err := l.await(600); err != nil {
		return err
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return s.arrival().compare(want, l.sink.Stored())
}
