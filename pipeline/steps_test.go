package pipeline_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// stepKeeper is a StepObserver.
type stepKeeper struct {
	mu   sync.Mutex
	seen []pipeline.Steps
	keys []string // of the messages
}

func (k *stepKeeper) ObserveSteps(s *pipeline.Steps) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = append(k.seen, *s)
	for i := range s.Messages {
		k.keys = append(k.keys, string(s.Messages[i].Key))
	}
}

// TestSteps: each step of a batch has its time, and the messages are those that
// were read.
func TestSteps(t *testing.T) {
	var seen stepKeeper
	src := source(10, 10)
	src.OnCommit = func(context.Context, *pipeline.Progress) error {
		time.Sleep(3 * time.Second)
		return nil
	}
	sink := &pipelinetest.MemorySink{OnWrite: func(context.Context, []pipeline.Message, *pipeline.Progress) error {
		time.Sleep(time.Minute)
		return nil
	}}
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, Steps: &seen, Workers: 1, Budget: 64 << 10,
		NewTransform: func() pipeline.Transform { return &slowLarge{} },
	})
	if err != nil || len(seen.seen) != 1 || len(seen.keys) != 10 {
		t.Fatalf("%v, %d batches of %d messages", err, len(seen.seen), len(seen.keys))
	}
	s := seen.seen[0]
	last := s.Read.Began
	for name, step := range map[string]struct {
		pipeline.Step
		want time.Duration
	}{
		"read": {s.Read, 0}, "transform": {s.Transform, 10*time.Second + 4*time.Minute},
		"write": {s.Write, time.Minute}, "commit": {s.Commit, 3 * time.Second},
	} {
		if got := step.Ended.Sub(step.Began); step.Began.Before(last) || got != step.want {
			t.Errorf("%s took %s, want %s", name, got, step.want)
		}
	}
	if s.Parts != 5 || s.Err != nil || s.Write.Began.Before(s.Transform.Ended) || s.Commit.Began.Before(s.Write.Ended) {
		t.Errorf("%+v", s)
	}
}

// TestStepsOfALostLane: a batch that is not committed has no such step, and
// says why.
func TestStepsOfALostLane(t *testing.T) {
	var seen stepKeeper
	full := errors.New("the disk is full")
	sink := &pipelinetest.MemorySink{OnWrite: func(context.Context, []pipeline.Message, *pipeline.Progress) error {
		return full
	}}
	err := run(t, pipeline.Options{Source: source(3, 3), Sink: sink, Steps: &seen, Workers: 1})
	if !errors.Is(err, full) || len(seen.seen) != 1 {
		t.Fatalf("%v, %d batches", err, len(seen.seen))
	}
	if s := seen.seen[0]; s.Commit != (pipeline.Step{}) || !errors.Is(s.Err, full) {
		t.Errorf("%+v", s)
	}
}
