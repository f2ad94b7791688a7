package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

func TestPoolMemory(t *testing.T) {
	pool, err := pipeline.NewPool(4, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	const process = 32 << 20
	if got := pool.Memory(50); got != (50+3)<<20+process {
		t.Errorf("50 runs: %d", got)
	}
	if got := pipeline.Memory(pipeline.Options{Pool: pool, ReadAhead: 1 << 18}, 7, 0); got != 7<<18 {
		t.Errorf("the lanes of a run: %d", got)
	}
	if got := (pipeline.Options{Pool: pool}).MaxValue(); got != 1<<20/8*3 {
		t.Errorf("the largest value: %d", got)
	}
	for _, wrong := range []struct{ workers, budget int }{{-1, 0}, {0, 1}} {
		if _, err := pipeline.NewPool(wrong.workers, wrong.budget); err == nil {
			t.Errorf("%+v: no error", wrong)
		}
	}
}

// TestPoolOfStuckRun: a run whose sink never answers holds all the memory that
// is shared, and another run still carries everything, with its own.
func TestPoolOfStuckRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := pipeline.NewPool(3, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		stuck := make(chan error, 1)
		wall := &wall{reached: make(chan struct{}, 1)}
		go func() {
			stuck <- pipeline.Run(ctx, pipeline.Options{
				Source: &repeater{n: 1 << 20, size: 100}, Sink: wall, NewTransform: pipelinetest.Identity, Pool: pool,
				Grace: 1,
			})
		}()
		<-wall.reached
		synctest.Wait() // it has taken all that it can

		free := &counter{}
		err = pipeline.Run(t.Context(), pipeline.Options{
			Source: &repeater{n: 100, size: 100}, Sink: free, NewTransform: pipelinetest.Identity, Pool: pool,
		})
		if err != nil || free.written == 0 {
			t.Errorf("%d written, %v", free.written, err)
		}
		cancel()
		<-stuck
		pool.Clear() // all of it has come back
	})
}

// wall is a sink that never answers.
type wall struct{ reached chan struct{} }

func (w *wall) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) { return w, nil }

func (w *wall) Write(ctx context.Context, _ []pipeline.Message, _ *pipeline.Progress) error {
	select {
	case w.reached <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (*wall) Close(context.Context) error { return nil }

// counter is a sink that counts.
type counter struct{ written int }

func (w *counter) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) { return w, nil }

func (w *counter) Write(_ context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
	w.written += len(msgs)
	return nil
}

func (*counter) Close(context.Context) error { return nil }
