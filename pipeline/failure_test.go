package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestFailureAtMessage: what ends a lane, what came before it is written and
// committed, nothing after.
func TestFailureAtMessage(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"reject without dead letters", &pipeline.Reject{Reason: "tampered", Err: errors.New("tampered: chunk 4")}, "orders/0@5: tampered: chunk 4"},
		{"anything else", errBoom, "orders/0@5: boom"},
	}
	for _, test := range tests {
		for _, size := range []int{1, 2, 5, 6, 100} {
			t.Run(fmt.Sprintf("%s/%d", test.name, size), func(t *testing.T) {
				src, sink := source(size, 20), new(pipelinetest.MemorySink)
				var parked error
				o := pipeline.Options{
					Source: src, Sink: sink, NewTransform: on("5", test.err),
					Observer: &pipelinetest.Recorder{Parked: func(_ string, err error) { parked = err }},
				}
				err := run(t, o)
				if err == nil || err.Error() != test.want || !errors.Is(err, test.err) || !errors.Is(parked, test.err) {
					t.Errorf("got %v, parked %v", err, parked)
				}
				wantValues(t, sink.Stored(), "orders/0", count(0, 5))
				if got := src.Committed("orders/0"); got.Next != 5 || got.Last != 4 {
					t.Errorf("committed %+v", got)
				}
			})
		}
	}
}

// TestFailureAtFirstMessage: there is nothing to write and no position to move.
func TestFailureAtFirstMessage(t *testing.T) {
	var tr trace
	src, sink := source(5, 10), &pipelinetest.MemorySink{OnWrite: tr.writes("write")}
	src.OnCommit = tr.commits
	if err := run(t, pipeline.Options{Source: src, Sink: sink, NewTransform: on("0", errBoom)}); !errors.Is(err, errBoom) {
		t.Error(err)
	}
	tr.want(t)
}

// TestFailurePerPlace: a message that cannot pass stops its place, and no
// other.
func TestFailurePerPlace(t *testing.T) {
	src, sink := pipelinetest.NewSource([]string{"a", "b", "c"}), new(pipelinetest.MemorySink)
	src.Put("a", numbered(0, 3)...)
	src.PutGap("a")
	src.Put("b", numbered(3, 6)...)
	src.Put("c", numbered(6, 9)...)
	if err := run(t, pipeline.Options{Source: src, Sink: sink, NewTransform: on("4", errBoom)}); !errors.Is(err, errBoom) {
		t.Fatal(err)
	}
	for place, want := range map[string][2]int64{"a": {4, 2}, "b": {1, 0}, "c": {3, 2}} {
		if got := src.Committed(place); got.Next != want[0] || got.Last != want[1] {
			t.Errorf("%s: committed %+v, want %v", place, got, want)
		}
	}
}

// TestFailureWaitsForItsTurn: the batch that fails first is not the first
// batch.
func TestFailureWaitsForItsTurn(t *testing.T) {
	src, sink := source(2, 20), new(pipelinetest.MemorySink)
	var gaveUp atomic.Int32
	o := pipeline.Options{
		Source: src, Sink: sink,
		NewTransform: pipelinetest.Each(func(ctx context.Context, m *pipeline.Message) error {
			switch v := string(m.Value); {
			case v == "5":
				return errBoom // at once
			case len(v) == 1 && v < "5":
				time.Sleep(time.Minute)
			default: // behind it: would never end by itself
				<-ctx.Done()
				gaveUp.Add(1)
				return ctx.Err()
			}
			return nil
		}),
	}
	if err := run(t, o); !errors.Is(err, errBoom) {
		t.Fatal(err)
	}
	wantValues(t, sink.Stored(), "orders/0", count(0, 5))
	if gaveUp.Load() == 0 {
		t.Error("no transform was in flight behind the failure")
	}
}

func TestTransformBeyondItsBound(t *testing.T) {
	transform := func() pipeline.Transform {
		return valuer{make: func(dst []byte, m *pipeline.Message) []byte {
			return append(append(dst, m.Value...), make([]byte, 100<<10)...)
		}}
	}
	err := run(t, pipeline.Options{Source: source(1, 1), Sink: new(pipelinetest.MemorySink), NewTransform: transform})
	var at *pipeline.MessageError
	if !errors.As(err, &at) {
		t.Errorf("got %v", err)
	}
}

// faulty returns a source and a sink whose nth call of one kind fails with err.
func faulty(call string, n int64, err error) (*pipelinetest.MemorySource, *pipelinetest.MemorySink) {
	src, sink := source(2, 20), new(pipelinetest.MemorySink)
	fail := pipelinetest.FailNth(n, err)
	switch call {
	case "open":
		sink.OnOpen = func(context.Context, pipeline.Lane) error { return fail() }
	case "read":
		src.OnRead = func(context.Context) error { return fail() }
	case "write":
		sink.OnWrite = func(context.Context, []pipeline.Message, *pipeline.Progress) error { return fail() }
	case "commit":
		src.OnCommit = func(context.Context, *pipeline.Progress) error { return fail() }
	case "close":
		sink.OnClose = func(context.Context) error { return fail() }
	}
	return src, sink
}

// TestLostLane: the lane is served again and the run goes on; what was not
// committed comes again.
func TestLostLane(t *testing.T) {
	for _, call := range []string{"open", "read", "write", "commit", "close"} {
		t.Run(call, func(t *testing.T) {
			n := int64(3)
			if call == "open" || call == "close" {
				n = 1
			}
			src, sink := faulty(call, n, fmt.Errorf("%s: %w", call, pipeline.ErrLost))
			stats := neverParked(t)
			err := run(t, pipeline.Options{Source: src, Sink: sink, Observer: stats})
			if n := stats.Totals().LostLanes; err != nil || n != 1 {
				t.Errorf("lost %d times, run ended with %v", n, err)
			}
			got := values(sink.Stored(), "orders/0")
			if !slices.Equal(firsts(got), count(0, 20)) {
				t.Errorf("got %v", got)
			}
			if twice := len(got) - 20; call != "commit" && twice != 0 || call == "commit" && twice != 2 {
				t.Errorf("%d messages written twice", twice)
			}
		})
	}
}

// firsts drops all but the first appearance of each value.
func firsts(values []string) []string {
	seen := make(map[string]bool)
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		defer func() { seen[v] = true }()
		return seen[v]
	})
}

// TestLostByRead: batches in flight belong to the other owner and are dropped.
func TestLostByRead(t *testing.T) {
	src, sink := source(1, 3), new(pipelinetest.MemorySink)
	fail := pipelinetest.FailNth(3, pipeline.ErrLost)
	var held atomic.Int32
	src.OnRead = func(context.Context) error {
		err := fail()
		if err != nil {
			synctest.Wait() // until both batches are in the hands of workers
		}
		return err
	}
	o := pipeline.Options{Source: onceServed{src}, Sink: sink,
		NewTransform: pipelinetest.Each(func(ctx context.Context, m *pipeline.Message) error {
			held.Add(1)
			<-ctx.Done() // until the lane has ended
			return nil
		})}
	if err := run(t, o); err != nil || held.Load() != 2 || sink.Len() != 0 {
		t.Errorf("%d messages written after the lane was lost (%v)", sink.Len(), err)
	}
}

// TestLostDuringWrite: a lane that is lost is not parked for what happens to
// its writes afterwards.
func TestLostDuringWrite(t *testing.T) {
	src, sink := source(1, 3), new(pipelinetest.MemorySink)
	read, write := pipelinetest.FailNth(2, pipeline.ErrLost), pipelinetest.FailNth(1, errBoom)
	src.OnRead = func(context.Context) error {
		synctest.Wait() // until the first batch is being written
		return read()
	}
	sink.OnWrite = func(context.Context, []pipeline.Message, *pipeline.Progress) error {
		time.Sleep(time.Second)
		return write()
	}
	err := run(t, pipeline.Options{Source: src, Sink: sink, Observer: neverParked(t)})
	if err != nil {
		t.Error(err)
	}
	wantValues(t, sink.Stored(), "orders/0", count(0, 3))
}

// onceServed does not serve a lost lane again.
type onceServed struct{ pipeline.Source }

func (s onceServed) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return s.Source.Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		if err := serve(ctx, lane); err != nil && !errors.Is(err, pipeline.ErrLost) {
			return err
		}
		return nil
	})
}

// TestParkedLane: an error of the world ends its lane, and nothing else.
func TestParkedLane(t *testing.T) {
	for _, call := range []string{"open", "read", "write", "commit", "close"} {
		t.Run(call, func(t *testing.T) {
			n := int64(3)
			if call == "open" || call == "close" {
				n = 1
			}
			src, sink := faulty(call, n, errBoom)
			stats := new(pipelinetest.Recorder)
			err := run(t, pipeline.Options{Source: src, Sink: sink, Observer: stats})
			if n := stats.Totals().FailedLanes; !errors.Is(err, errBoom) || n != 1 {
				t.Errorf("parked %d times, run ended with %v", n, err)
			}
			got := values(sink.Stored(), "orders/0")
			if want := count(0, len(got)); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
			if next := src.Committed("orders/0").Next; call == "read" && (len(got) != 4 || next != 4) {
				t.Errorf("what was read before was not flushed: %d written, %d committed", len(got), next)
			}
		})
	}
}

func TestParkedPlaceLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := source(2, 10, 10), new(pipelinetest.MemorySink)
		src.Live = true
		stats := new(pipelinetest.Recorder)
		r := start(t, pipeline.Options{
			Source: src, Sink: sink, Observer: stats,
			NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
				if m.Origin.Place == "orders/0" && string(m.Value) == "7" {
					return errBoom
				}
				return nil
			}),
		})
		synctest.Wait()
		src.Put("orders/0", numbered(10, 12)...)
		src.Put("orders/1", numbered(10, 12)...)
		synctest.Wait()
		if n, parked := stats.Totals().Lanes, stats.ParkedPlaces(); n != 2 || len(parked) != 1 || !errors.Is(parked["orders/0"], errBoom) {
			t.Errorf("%d lanes, parked %v", n, parked)
		}
		r.stop()
		if err := r.wait(); !errors.Is(err, errBoom) {
			t.Errorf("ended with %v", err)
		}
		wantValues(t, sink.Stored(), "orders/0", count(0, 7))
		wantValues(t, sink.Stored(), "orders/1", count(0, 12))
	})
}

// TestWrappedEOF: only io.EOF itself ends a lane well; one from a broken
// connection does not.
func TestWrappedEOF(t *testing.T) {
	src := source(2, 10)
	fail := pipelinetest.FailNth(2, fmt.Errorf("broker: %w", io.EOF))
	src.OnRead = func(context.Context) error { return fail() }
	if err := run(t, pipeline.Options{Source: src, Sink: new(pipelinetest.MemorySink)}); err == nil {
		t.Error("the run ended well in the middle of its lane")
	}
}

func TestDeadLettersThatDoNotOpen(t *testing.T) {
	dead := &pipelinetest.MemorySink{OnOpen: func(context.Context, pipeline.Lane) error { return errBoom }}
	err := run(t, pipeline.Options{Source: source(2, 10), Sink: new(pipelinetest.MemorySink), DeadLetters: dead})
	if !errors.Is(err, errBoom) {
		t.Error(err)
	}
}
