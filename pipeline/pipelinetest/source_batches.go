package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

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
		got = append(got, cloneMessage(&b.Messages[i]))
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
	return s.arrival().compareAll(want, all)
}

// checkBatch checks the promises of a Source about each batch.
func checkBatch(b *pipeline.Batch, limit int, ordered bool) error {
	bytes, largest := 0, 0
	last := make(map[string]int64)
	for i := range b.Messages {
		n := sizeOf(&b.Messages[i])
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

// sourceRelease holds three batches of a lane at a time: reading the third must
// not touch the first.
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
	return s.arrival().compareAll(want, all)
}
