package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// lastGate remembers the last value it has seen and refuses what is not above
// it.
type lastGate struct {
	last   int
	refuse func(*pipeline.Message) error
	mu     sync.Mutex // only to let the race detector alone if the pipeline calls it twice at a time
}

func (g *lastGate) Admit(m *pipeline.Message) error {
	if !g.mu.TryLock() {
		panic("gate used by two goroutines")
	}
	defer g.mu.Unlock()
	if g.refuse != nil {
		if err := g.refuse(m); err != nil {
			return err
		}
	}
	n, err := strconv.Atoi(string(m.Value))
	if err != nil || n <= g.last {
		return fmt.Errorf("value %q after %d", m.Value, g.last)
	}
	g.last = n
	return nil
}

func (g *lastGate) AppendState(dst []byte) []byte { return strconv.AppendInt(dst, int64(g.last), 10) }

// gates returns a NewGate that makes lastGates and notes in made what for.
func gates(made *trace, refuse func(*pipeline.Message) error) func(string, []byte) (pipeline.Gate, error) {
	return func(place string, state []byte) (pipeline.Gate, error) {
		made.add("%s %s", place, state)
		g := &lastGate{last: -1, refuse: refuse}
		if state != nil {
			var err error
			if g.last, err = strconv.Atoi(string(state)); err != nil {
				return nil, err
			}
		}
		return g, nil
	}
}

// TestGateOrder: gates are asked in read order though transforms end in any,
// one gate per place.
func TestGateOrder(t *testing.T) {
	src, sink := pipelinetest.NewSource([]string{"a", "b"}), new(pipelinetest.MemorySink)
	src.MaxBatch = 3
	src.Put("a", numbered(0, 50)...)
	src.Put("b", numbered(0, 70)...)
	var made trace
	sink.OnWrite = func(_ context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
		for _, p := range done.Places { // the state is that of the flush, not of what is read ahead
			if string(p.State) != strconv.FormatInt(p.Last, 10) {
				t.Errorf("%s: state %q with last %d", p.Place, p.State, p.Last)
			}
		}
		return nil
	}
	o := pipeline.Options{
		Source: src, Sink: sink, NewGate: gates(&made, nil),
		NewTransform: pipelinetest.Each(func(context.Context, *pipeline.Message) error {
			time.Sleep(rand.N(time.Second))
			return nil
		}),
	}
	if err := run(t, o); err != nil {
		t.Fatal(err)
	}
	wantValues(t, sink.Stored(), "a", count(0, 50))
	wantValues(t, sink.Stored(), "b", count(0, 70))
	made.want(t, "a ", "b ")

	// The next owner of the places goes on with their states.
	made.events = nil
	src.Put("a", numbered(50, 55)...)
	if err := run(t, o); err != nil {
		t.Fatal(err)
	}
	made.want(t, "a 49", "b 69")
	wantValues(t, sink.Stored(), "a", count(0, 55))
	if got := src.Committed("b"); string(got.State) != "69" {
		t.Errorf("b: %+v", got)
	}
}

// TestGateRefuses: what Skip, a Reject and another error of the gate do, at a
// message in mid-batch.
func TestGateRefuses(t *testing.T) {
	reject := &pipeline.Reject{Reason: "duplicate"}
	tests := []struct {
		name    string
		err     error
		dead    bool
		want    []string
		letters []string // offsets
		ends    error
		next    int64
		state   string
	}{
		{"skip", pipeline.Skip, false, []string{"0", "1", "2", "4", "5", "7", "8", "9"}, nil, nil, 10, "9"},
		{"reject", reject, true, []string{"0", "1", "2", "4", "5", "7", "8", "9"}, []string{"3", "6"}, nil, 10, "9"},
		{"reject without dead letters", reject, false, count(0, 3), nil, reject, 3, "2"},
		{"anything else", errBoom, true, count(0, 3), nil, errBoom, 3, "2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src, sink, dead := source(100, 10), new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
			o := pipeline.Options{Source: src, Sink: sink, NewGate: gates(new(trace), func(m *pipeline.Message) error {
				if v := string(m.Value); v == "3" || v == "6" {
					return test.err
				}
				return nil
			})}
			if test.dead {
				o.DeadLetters = dead
			}
			if err := run(t, o); !errors.Is(err, test.ends) {
				t.Errorf("ended with %v", err)
			}
			wantValues(t, sink.Stored(), "orders/0", test.want)
			var letters []string
			for _, m := range dead.Stored() {
				letters = append(letters, strconv.FormatInt(m.Origin.Offset, 10))
			}
			if !slices.Equal(letters, test.letters) {
				t.Errorf("dead letters %v", letters)
			}
			if got := src.Committed("orders/0"); got.Next != test.next || string(got.State) != test.state {
				t.Errorf("committed %+v", got)
			}
		})
	}
}

func TestGateThatIsNotMade(t *testing.T) {
	src, sink := source(5, 10), new(pipelinetest.MemorySink)
	newGate := func(string, []byte) (pipeline.Gate, error) { return nil, errBoom }
	if err := run(t, pipeline.Options{Source: src, Sink: sink, NewGate: newGate}); !errors.Is(err, errBoom) {
		t.Error(err)
	}
	if sink.Len() != 0 || src.Committed("orders/0").Next != 0 {
		t.Errorf("%d messages got past a gate that is not there", sink.Len())
	}
}
