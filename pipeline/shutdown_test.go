package pipeline_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestShutdown: what a lane in each of its states does when it is told to end,
// and how long it takes.
func TestShutdown(t *testing.T) {
	until := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name      string
		transform func(context.Context, *pipeline.Message) error
		write     func(context.Context) error
		commit    func(context.Context) error
		wantTime  time.Duration
		written   int
		committed int64
	}{
		{
			name:    "waits to read",
			written: 6, committed: 6,
		},
		{
			name: "waits for a key", // what came before it in its batch is written
			transform: func(ctx context.Context, m *pipeline.Message) error {
				if string(m.Value) == "3" {
					return until(ctx)
				}
				return nil
			},
			written: 3, committed: 3,
		},
		{
			name:     "writes slowly", // the batches behind it are transformed and follow
			write:    func(context.Context) error { time.Sleep(3 * time.Second); return nil },
			wantTime: 9 * time.Second, written: 6, committed: 6,
		},
		{
			name:     "writes too slowly",
			write:    func(ctx context.Context) error { return sleep(ctx, 4*time.Second) },
			wantTime: 10 * time.Second, written: 4, committed: 4,
		},
		{
			name:     "never writes",
			write:    until,
			wantTime: 10 * time.Second, written: 0, committed: 0,
		},
		{
			name:     "never commits",
			commit:   until,
			wantTime: 10 * time.Second, written: 2, committed: 0,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, sink := source(2, 6), new(pipelinetest.MemorySink)
				src.Live = true
				if test.write != nil {
					sink.OnWrite = func(ctx context.Context, _ []pipeline.Message, _ *pipeline.Progress) error {
						return test.write(ctx)
					}
				}
				if test.commit != nil {
					src.OnCommit = func(ctx context.Context, _ *pipeline.Progress) error { return test.commit(ctx) }
				}
				r := start(t, pipeline.Options{
					Source: src, Sink: sink, NewTransform: pipelinetest.Each(test.transform),
					Observer: neverParked(t),
				})
				synctest.Wait()
				began := time.Now()
				r.stop()
				if err := r.wait(); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != test.wantTime {
					t.Errorf("took %v of the bubble's time, want %v", took, test.wantTime)
				}
				wantValues(t, sink.Stored(), "orders/0", count(0, test.written))
				if got := src.Committed("orders/0").Next; got != test.committed {
					t.Errorf("committed up to %d, want %d", got, test.committed)
				}
			})
		})
	}
}

// TestEndedBeforeItBegan: nothing is read or written for a context that was
// done before the run, however little there is to do.
func TestEndedBeforeItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		var sink pipelinetest.MemorySink
		if err := pipeline.Run(ctx, quiet(pipeline.Options{Source: source(10, 1), Sink: &sink})); err != nil {
			t.Fatal(err)
		}
		if n := sink.Len(); n > 0 {
			t.Fatalf("%d messages written", n)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestTransformGivesUpBetweenMessages: a transform that is not waiting ends
// with the message in hand.
func TestTransformGivesUpBetweenMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := source(100, 100), new(pipelinetest.MemorySink)
		r := start(t, pipeline.Options{Source: src, Sink: sink,
			NewTransform: pipelinetest.Each(func(context.Context, *pipeline.Message) error {
				time.Sleep(time.Second)
				return nil
			})})
		time.Sleep(5500 * time.Millisecond)
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
		wantValues(t, sink.Stored(), "orders/0", count(0, 6))
		if got := src.Committed("orders/0"); got.Next != 6 || got.Last != 5 {
			t.Errorf("committed %+v", got)
		}
	})
}

// TestRevokedLane: a lane that is taken away drains before it is let go, and
// goes on where it was.
func TestRevokedLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := source(3, 30, 30), new(pipelinetest.MemorySink)
		src.Live = true
		sink.OnWrite = func(context.Context, []pipeline.Message, *pipeline.Progress) error {
			time.Sleep(time.Second)
			return nil
		}
		r := start(t, pipeline.Options{Source: src, Sink: sink})
		for range 5 {
			time.Sleep(1700 * time.Millisecond)
			src.Revoke(0)
		}
		time.Sleep(time.Minute)
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
		wantValues(t, sink.Stored(), "orders/0", count(0, 30)) // none twice
		wantValues(t, sink.Stored(), "orders/1", count(0, 30))
	})
}

// TestGraceDoesNotRunBeforeTheEnd: a write may take longer than grace while the
// lane goes on.
func TestGraceDoesNotRunBeforeTheEnd(t *testing.T) {
	src, sink := source(2, 6), new(pipelinetest.MemorySink)
	sink.OnWrite = func(ctx context.Context, _ []pipeline.Message, _ *pipeline.Progress) error {
		return sleep(ctx, time.Hour)
	}
	if err := run(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
		t.Error(err)
	}
	if got := values(sink.Stored(), "orders/0"); !slices.Equal(got, count(0, 6)) {
		t.Error(got)
	}
}

// candid is a source that returns its context's error when that has ended it.
type candid struct{ pipeline.Source }

func (s candid) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	if err := s.Source.Serve(ctx, serve); err != nil {
		return err
	}
	return ctx.Err()
}

// TestDeadline: a run that ends by a deadline ends as well as one that is
// cancelled.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := source(2, 6)
		src.Live = true
		sink := &pipelinetest.MemorySink{OnWrite: func(ctx context.Context, _ []pipeline.Message, _ *pipeline.Progress) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		err := pipeline.Run(ctx, quiet(pipeline.Options{
			Source: candid{src}, Sink: sink, Grace: 3 * time.Second,
			Observer: neverParked(t),
		}))
		if took := time.Since(began); err != nil || took != 63*time.Second {
			t.Errorf("took %v, %v", took, err)
		}
	})
}
