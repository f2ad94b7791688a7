package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// refusedChecks are about messages that a medium does not take.
var refusedChecks = []check[SinkSpec]{
	{name: "refused messages", run: sinkRefused, applies: SinkSpec.refuses},
	{name: "refused messages as dead letters", run: sinkRefusedLetters, applies: SinkSpec.refuses},
	{name: "refused message parks its place", run: sinkRefusedParks, applies: SinkSpec.refuses},
}

func (s SinkSpec) refuses() bool { return s.Refuses }

// spoiled returns messages of two places in turns, a and b, those of the given
// numbers spoiled, and the ones that are not.
func (s SinkSpec) spoiled(m SinkMedium, n int, numbers ...int) (all, good []pipeline.Message) {
	all = s.messages(0, n)
	for i := range all {
		all[i].Origin = pipeline.Origin{Place: string(rune('a' + i%2)), Offset: int64(i), Previous: -1}
		if slices.Contains(numbers, i) {
			m.Spoil(&all[i])
		} else {
			good = append(good, all[i])
		}
	}
	return all, good
}

// sinkRefused checks a Refused, and that a Write with the messages that were
// left completes the step.
func sinkRefused(t *testing.T, s SinkSpec) error {
	m := s.New(t)
	all, want := s.spoiled(m, 10, 3, 6)
	done := &pipeline.Progress{
		Messages: 10, Places: []pipeline.Position{{Place: "a", Next: 9, Last: 8}, {Place: "b", Next: 10, Last: 9}},
	}
	err := withWriter(t, s, m, func(ctx context.Context, w pipeline.Writer) error {
		left, err := firstRefusal(w.Write(ctx, all, done))
		if err != nil {
			return err
		}
		var rest []pipeline.Message
		for _, i := range left {
			rest = append(rest, all[i])
		}
		return errors.Join(w.Write(ctx, rest, done), w.Close(ctx))
	})
	if err != nil {
		return err
	}
	// The places have no order among each other.
	got := m.Stored()
	for place := range 2 {
		ofPlace := func(m pipeline.Message) bool { return Index(&m)%2 != place }
		if err := s.arrival().compareAll(
			slices.DeleteFunc(slices.Clone(want), ofPlace), strip(slices.DeleteFunc(slices.Clone(got), ofPlace)),
		); err != nil {
			return err
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d messages stored, want %d", len(got), len(want))
	}
	return nil
}

// strip returns msgs without their origins.
func strip(msgs []pipeline.Message) []pipeline.Message {
	for i := range msgs {
		msgs[i].Origin = pipeline.Origin{}
	}
	return msgs
}

// firstRefusal checks that err refuses messages 3, of b, and 6, of a, for
// themselves, and returns those that were left: no others than those behind.
func firstRefusal(err error) (left []int, _ error) {
	refused, ok := errors.AsType[*pipeline.Refused](err)
	if !ok {
		return nil, fmt.Errorf("two messages that the medium does not take: %w", err)
	}
	var named []int
	for _, r := range refused.Messages {
		named = append(named, r.Index)
		if _, reject := errors.AsType[*pipeline.Reject](r.Err); !reject {
			return nil, fmt.Errorf("message %d was refused, and not rejected: %w", r.Index, r.Err)
		}
	}
	if !slices.Equal(named, []int{3, 6}) {
		return nil, fmt.Errorf("messages %v were refused, want 3 and 6", named)
	}
	for _, i := range refused.Left {
		if !slices.Contains([]int{5, 7, 8, 9}, i) {
			return nil, fmt.Errorf("message %d was left, which does not stand behind a refused one of its place", i)
		}
	}
	if !slices.IsSorted(refused.Left) {
		return nil, fmt.Errorf("messages %v were left, in no order", refused.Left)
	}
	return refused.Left, nil
}

// fromTwo returns a bounded source of one lane with the messages of two places.
func fromTwo(msgs []pipeline.Message) *MemorySource {
	src := NewSource([]string{"a", "b"})
	for _, m := range msgs {
		src.Put(m.Origin.Place, m)
	}
	return src
}

func sinkRefusedLetters(t *testing.T, s SinkSpec) error {
	m, dead := s.New(t), new(MemorySink)
	all, want := s.spoiled(m, 200, 3, 6, 7, 120, 199)
	src := fromTwo(all)
	src.MaxBatch = 30
	if err := runToEnd(t, s.Timeout, pipeline.Options{Source: src, Sink: m.Sink(), DeadLetters: dead}); err != nil {
		return err
	}
	if dead.Len() != 5 {
		return fmt.Errorf("%d dead letters, want 5", dead.Len())
	}
	got := m.Stored()
	slices.SortStableFunc(got, func(a, b pipeline.Message) int { return Index(&a) - Index(&b) })
	return arrival{carries: s.Carries}.compareAll(want, strip(got))
}

func sinkRefusedParks(t *testing.T, s SinkSpec) error {
	m := s.New(t)
	all, _ := s.spoiled(m, 200, 46, 120)
	src := fromTwo(all)
	src.MaxBatch = 30
	err := runToEnd(t, s.Timeout, pipeline.Options{Source: src, Sink: m.Sink()})
	parked, ok := errors.AsType[*pipeline.ParkedError](err)
	if !ok || len(parked.Parked) != 1 || parked.Parked[0].Places[0] != "a" {
		return fmt.Errorf("the run ended with %w, want a parked", err)
	}
	var want []pipeline.Message
	for i := range all {
		if i%2 == 1 || i < 46 {
			want = append(want, all[i])
		}
	}
	got := m.Stored()
	slices.SortStableFunc(got, func(a, b pipeline.Message) int { return Index(&a) - Index(&b) })
	return arrival{carries: s.Carries}.compareAll(want, strip(got))
}
