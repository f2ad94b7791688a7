package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestBrake: 100 rejects in a row park a place, dead letters or not; 99 are set
// aside. A single message that passes between them begins the row anew.
func TestBrake(t *testing.T) {
	reject := &pipeline.Reject{Reason: pipeline.ReasonUnknownKey, Err: errors.New("unknown-key: no key fits")}
	tests := []struct {
		name  string
		fails func(n int) bool
		stop  int64 // -1: none
		good  int
	}{
		{"all", func(int) bool { return true }, 99, 0},
		{"all but one", func(n int) bool { return n != 60 }, 160, 1},
		{"99 in a row", func(n int) bool { return n%100 != 99 }, -1, 4},
		{"from the middle", func(n int) bool { return n >= 200 }, 299, 200},
		{"every other", func(n int) bool { return n%2 == 0 }, -1, 200},
	}
	for _, test := range tests {
		for _, by := range []string{"transform", "gate", "sink"} {
			for _, size := range []int{1, 7, 33, 100, 101, 400} {
				t.Run(fmt.Sprintf("%s/%s/%d", test.name, by, size), func(t *testing.T) {
					src, sink, dead := source(size, 400), new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
					fail := func(m *pipeline.Message) error {
						if test.fails(number(m)) {
							return reject
						}
						return nil
					}
					o := pipeline.Options{Source: src, Sink: sink, DeadLetters: dead, Workers: 2, NewGate: gates(new(trace), nil)}
					switch by {
					case "transform":
						o.NewTransform = pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error { return fail(m) })
					case "gate":
						o.NewGate = gates(new(trace), fail)
					case "sink":
						sink.Refuse = fail
					}
					err := run(t, o)
					next, letters := test.stop, int(test.stop)-test.good
					if test.stop < 0 {
						next, letters = 400, 400-test.good
						if err != nil {
							t.Error(err)
						}
					} else {
						want := fmt.Sprintf("orders/0@%d: 100 messages in a row were refused, this one because: unknown-key: no key fits", test.stop)
						if _, braked := errors.AsType[*pipeline.BrakedError](err); !braked || err.Error() != want {
							t.Errorf("ended with %v, want %s", err, want)
						}
					}
					if got := src.Committed("orders/0").Next; got != next || sink.Len() != test.good || dead.Len() != letters {
						t.Errorf("committed @%d with %d messages and %d dead letters, want @%d, %d and %d",
							got, sink.Len(), dead.Len(), next, test.good, letters)
					}
				})
			}
		}
	}
}

// TestBrakeOfOnePlace: places are counted by themselves.
func TestBrakeOfOnePlace(t *testing.T) {
	src, sink, dead := threePlaces(10, 150), new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, DeadLetters: dead,
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if m.Origin.Place == "b" || m.Origin.Place == "a" && number(m)%2 == 0 {
				return &pipeline.Reject{Reason: pipeline.ReasonMalformed}
			}
			return nil
		}),
	})
	if err == nil || sink.Len() != 75+150 || dead.Len() != 75+99 || src.Committed("b").Next != 99 {
		t.Errorf("%d messages, %d dead letters, b committed @%d, %v", sink.Len(), dead.Len(), src.Committed("b").Next, err)
	}
}

// TestBrakeAfterARestart: the row begins anew with another run.
func TestBrakeAfterARestart(t *testing.T) {
	src, dead := source(10, 250), new(pipelinetest.MemorySink)
	o := pipeline.Options{
		Source: src, Sink: new(pipelinetest.MemorySink), DeadLetters: dead,
		NewTransform: pipelinetest.Each(func(context.Context, *pipeline.Message) error {
			return &pipeline.Reject{Reason: pipeline.ReasonMalformed}
		}),
	}
	for i := range 2 {
		if err := run(t, o); err == nil || src.Committed("orders/0").Next != int64(99*(i+1)) {
			t.Errorf("run %d: committed @%d, %v", i, src.Committed("orders/0").Next, err)
		}
	}
}
