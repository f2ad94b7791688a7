package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// preparing is a sink that prepares messages. It counts how they were written.
type preparing struct {
	pipelinetest.MemorySink
	refuses func(msgs []pipeline.Message) bool

	made, released, ahead, behind atomic.Int64
}

func (s *preparing) Open(ctx context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	w, err := s.MemorySink.Open(ctx, lane)
	return &preparingWriter{w, s}, err
}

type preparingWriter struct {
	pipeline.Writer
	sink *preparing
}

func (w *preparingWriter) Prepare(msgs []pipeline.Message) pipeline.Prepared {
	if w.sink.refuses != nil && w.sink.refuses(msgs) {
		return nil
	}
	w.sink.made.Add(1)
	return &preparedMessages{w, slices.Clone(msgs)}
}

func (w *preparingWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	w.sink.behind.Add(1)
	return w.Writer.Write(ctx, msgs, done)
}

type preparedMessages struct {
	writer *preparingWriter
	msgs   []pipeline.Message
}

func (p *preparedMessages) Write(ctx context.Context, done *pipeline.Progress) error {
	p.writer.sink.ahead.Add(1)
	return p.writer.Writer.Write(ctx, p.msgs, done)
}

func (p *preparedMessages) Release() {
	if p.msgs == nil {
		panic("released twice")
	}
	p.msgs = nil
	p.writer.sink.released.Add(1)
}

// skipping is a Gate that lets no message with a number through that divides by
// its own.
type skipping int

func (g skipping) Admit(m *pipeline.Message) error {
	if number(m)%int(g) == 0 {
		return pipeline.Skip
	}
	return nil
}

func (skipping) AppendState(dst []byte) []byte { return dst }

// Messages arrive in order whether they were prepared or not, and are never
// written as prepared when one of them is missing.
func TestPreparedMessages(t *testing.T) {
	const n = 100
	for name, c := range map[string]struct {
		skip        int // every such message is dropped by the gate
		reject      int // every such message is rejected by the transform
		refuseWrite bool
		refuses     func(msgs []pipeline.Message) bool
		mixed       bool
	}{
		"all":              {},
		"none":             {refuses: func([]pipeline.Message) bool { return true }},
		"some":             {refuses: func(msgs []pipeline.Message) bool { return number(&msgs[0])%3 == 0 }, mixed: true},
		"some are dropped": {skip: 7, mixed: true},
		"some are letters": {reject: 7},
		"some are refused": {refuseWrite: true, mixed: true},
	} {
		t.Run(name, func(t *testing.T) {
			sink, dead := &preparing{refuses: c.refuses}, &pipelinetest.MemorySink{}
			if c.refuseWrite {
				sink.Refuse = func(m *pipeline.Message) error {
					if number(m)%7 == 0 {
						return &pipeline.Reject{Reason: pipeline.ReasonMalformed}
					}
					return nil
				}
			}
			o := pipeline.Options{Source: source(5, n), Sink: sink, DeadLetters: dead}
			if c.skip > 0 {
				o.NewGate = func(string, []byte) (pipeline.Gate, error) { return skipping(c.skip), nil }
			}
			if c.reject > 0 {
				o.NewTransform = pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
					if number(m)%c.reject == 0 {
						return &pipeline.Reject{Reason: pipeline.ReasonMalformed}
					}
					return nil
				})
			}
			if err := run(t, o); err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for i := range n {
				if gone := (c.skip > 0 || c.reject > 0 || c.refuseWrite) && i%7 == 0; !gone {
					want = append(want, fmt.Sprint(i))
				}
			}
			for _, m := range sink.Stored() {
				got = append(got, string(m.Value))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %s", strings.Join(got, " "))
			}
			if sink.made.Load() != sink.released.Load() {
				t.Errorf("%d were prepared, %d released", sink.made.Load(), sink.released.Load())
			}
			ahead, behind := sink.ahead.Load(), sink.behind.Load()
			if c.refuses == nil != (ahead > 0) && !c.mixed || c.mixed && (ahead == 0 || behind == 0) ||
				!c.mixed && ahead > 0 && behind > 0 {
				t.Errorf("%d writes were prepared, %d were not", ahead, behind)
			}
		})
	}
}

// What was prepared for a lane that has ended is released and not written.
func TestPreparedForNothing(t *testing.T) {
	sink := new(preparing)
	sink.OnWrite = func(context.Context, []pipeline.Message, *pipeline.Progress) error { return errBoom }
	if err := run(t, pipeline.Options{Source: source(5, 100), Sink: sink}); err == nil {
		t.Error("no error")
	}
	if sink.made.Load() != sink.released.Load() || sink.Len() > 0 {
		t.Errorf("%d were prepared, %d released, %d stored", sink.made.Load(), sink.released.Load(), sink.Len())
	}
}
