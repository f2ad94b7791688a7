package pipeline_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestClose: the writers are closed before serve returns, that of the dead
// letters first, and an error of Close is not covered up by the end of the lane
// or by another error.
func TestClose(t *testing.T) {
	errClose := errors.New("close")
	tests := []struct {
		name            string
		write           error // of the second write
		sink, dead      error
		wants, excludes []error
	}{
		{"at the end", nil, errClose, nil, []error{errClose}, []error{io.EOF}},
		{"of the dead letters", nil, nil, errClose, []error{errClose}, nil},
		{"after a failure", errBoom, errClose, nil, []error{errBoom, errClose}, nil},
		{"lost after a failure", errBoom, pipeline.ErrLost, nil, []error{errBoom, pipeline.ErrLost}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var tr trace
			var err error
			o := pipeline.Options{
				Sink:        &pipelinetest.MemorySink{OnClose: func(context.Context) error { tr.add("close"); return test.sink }},
				DeadLetters: &pipelinetest.MemorySink{OnClose: func(context.Context) error { tr.add("close dead"); return test.dead }},
			}
			fail := pipelinetest.FailNth(2, test.write)
			o.Sink.(*pipelinetest.MemorySink).OnWrite = func(context.Context, []pipeline.Message, *pipeline.Progress) error {
				return fail()
			}
			src := source(2, 10)
			o.Source = served{src, func(e error) { tr.add("served"); err = e }}
			_ = run(t, o)
			tr.want(t, "close dead", "close", "served")
			for _, want := range test.wants {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v in it", err, want)
				}
			}
			for _, not := range test.excludes {
				if errors.Is(err, not) {
					t.Errorf("got %v, want no %v in it", err, not)
				}
			}
		})
	}
}

// served is told what serve returned, and ends the lane.
type served struct {
	pipeline.Source
	tell func(error)
}

func (s served) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return s.Source.Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		s.tell(serve(ctx, lane))
		return nil
	})
}
