package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

var errBoom = errors.New("boom")

// run runs o to its end in a bubble of its own and checks that nothing is left
// behind.
func run(t *testing.T, o pipeline.Options) error {
	t.Helper()
	var err error
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		err = pipeline.Run(t.Context(), quiet(o))
		tidy(t, o)
	})
	return err
}

// background is a run that goes on while the test does something.
type background struct {
	stop func()
	wait func() error
}

func start(t *testing.T, o pipeline.Options) background {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pipeline.Run(ctx, quiet(o)) }()
	return background{stop: cancel, wait: func() error {
		t.Helper()
		err := <-ended
		tidy(t, o)
		return err
	}}
}

func quiet(o pipeline.Options) pipeline.Options {
	if o.NewTransform == nil {
		o.NewTransform = pipelinetest.Identity
	}
	if o.Workers == 0 {
		o.Workers = 4
	}
	o.Log = slog.New(slog.DiscardHandler)
	return o
}

func tidy(t *testing.T, o pipeline.Options) {
	t.Helper()
	if s, ok := o.Source.(*pipelinetest.MemorySource); ok && s.CountLent() != 0 {
		t.Errorf("%d batches not released", s.CountLent())
	}
	for _, sink := range []pipeline.Sink{o.Sink, o.DeadLetters} {
		if s, ok := sink.(*pipelinetest.MemorySink); ok && s.OpenWriters() != 0 {
			t.Errorf("%d writers not closed", s.OpenWriters())
		}
	}
}

// numbered returns messages whose values are the numbers from first to before
// end.
func numbered(first, end int) []pipeline.Message {
	var msgs []pipeline.Message
	for i := first; i < end; i++ {
		msgs = append(msgs, pipeline.Message{
			Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "%d", i),
		})
	}
	return msgs
}

// source returns a bounded source of one place per argument, each a lane of its
// own and holding the numbers from 0 on, read in batches of size messages.
func source(size int, counts ...int) *pipelinetest.MemorySource {
	var lanes [][]string
	for i := range counts {
		lanes = append(lanes, []string{fmt.Sprintf("orders/%d", i)})
	}
	s := pipelinetest.NewSource(lanes...)
	s.MaxBatch = size
	for i, n := range counts {
		s.Put(lanes[i][0], numbered(0, n)...)
	}
	return s
}

// values returns the values of the messages of a place.
func values(msgs []pipeline.Message, place string) []string {
	got := []string{}
	for _, m := range msgs {
		if m.Origin.Place == place {
			got = append(got, string(m.Value))
		}
	}
	return got
}

// count returns the numbers from first to before end as values gives them.
func count(first, end int) []string {
	got := []string{}
	for _, m := range numbered(first, end) {
		got = append(got, string(m.Value))
	}
	return got
}

func wantValues(t *testing.T, got []pipeline.Message, place string, want []string) {
	t.Helper()
	if g := values(got, place); !slices.Equal(g, want) {
		t.Errorf("%s: got %v, want %v", place, g, want)
	}
}

// on returns a decision that returns err for one value and passes the others.
func on(value string, err error) func() pipeline.Transform {
	return pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
		if string(m.Value) == value {
			return err
		}
		return nil
	})
}

// neverParked returns an observer that takes a lane which cannot go on for a
// fault.
func neverParked(t *testing.T) *pipelinetest.Recorder {
	return &pipelinetest.Recorder{Parked: func(_ string, err error) { t.Errorf("parked: %v", err) }}
}

// trace is a list of what happened, in order.
type trace struct {
	mu     sync.Mutex
	events []string
}

func (tr *trace) add(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.events = append(tr.events, fmt.Sprintf(format, args...))
}

func (tr *trace) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(tr.events, want) {
		t.Errorf("events:\n got %q\nwant %q", tr.events, want)
	}
}

// writes returns an OnWrite that traces the number of messages and the
// position.
func (tr *trace) writes(name string) func(context.Context, []pipeline.Message, *pipeline.Progress) error {
	return func(_ context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
		tr.add("%s %d%s", name, len(msgs), position(done))
		return nil
	}
}

func (tr *trace) commits(_ context.Context, done *pipeline.Progress) error {
	tr.add("commit %d%s", done.Messages, position(done))
	return nil
}

func position(done *pipeline.Progress) string {
	if done == nil {
		return ""
	}
	s := ""
	for _, p := range done.Places {
		s += fmt.Sprintf(" @%d", p.Next)
	}
	return s
}
