package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// errEnough is the error of a countingGate.
type errEnough struct{}

func (errEnough) Error() string   { return "enough" }
func (errEnough) Resumable() bool { return true }

// countingGate has enough after so many rejects, until somebody resumes. Its
// state has a stroke for each.
type countingGate struct {
	limit   int
	rejects int
}

func (*countingGate) Admit(*pipeline.Message) error { return nil }

func (g *countingGate) AppendState(dst []byte) []byte {
	return append(dst, strings.Repeat("|", g.rejects)...)
}

func (g *countingGate) NoteReject(pipeline.Reason) error {
	if g.rejects++; g.rejects >= g.limit {
		return errEnough{}
	}
	return nil
}

// counting returns a NewGate of countingGates that stop at their limit while
// resumed is false.
func counting(limit int, resumed *atomic.Bool) func(string, []byte) (pipeline.Gate, error) {
	return func(_ string, state []byte) (pipeline.Gate, error) {
		g := &countingGate{limit: limit, rejects: len(state)}
		if g.rejects < limit {
			return g, nil
		}
		if resumed.Load() {
			g.rejects = 0
			return g, nil
		}
		return g, errEnough{}
	}
}

// rejectUneven rejects every other message of places that begin with "a" or
// "orders".
func rejectUneven(_ context.Context, m *pipeline.Message) error {
	if m.Origin.Place != "b" && number(m)%2 == 1 {
		return &pipeline.Reject{Reason: pipeline.ReasonTampered}
	}
	return nil
}

// TestGateHasEnough: the place is parked behind the reject with which its gate
// has enough, and stays parked over restarts, at the same position. When
// somebody has resumed it goes on with nothing lost and nothing twice.
func TestGateHasEnough(t *testing.T) {
	for _, size := range []int{1, 2, 7, 10, 40} {
		for _, small := range []bool{false, true} {
			t.Run(fmt.Sprint(size, small), func(t *testing.T) {
				src, sink, dead := source(size, 40), new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
				var resumed atomic.Bool
				o := pipeline.Options{
					Source: src, Sink: sink, DeadLetters: dead, Workers: 2, NewGate: counting(10, &resumed),
					NewTransform: pipelinetest.Each(rejectUneven),
				}
				if small { // batches are written in parts
					o.Budget = 64 << 10
					o.NewTransform = func() pipeline.Transform { return &largeOrRejected{} }
				}
				for i := range 3 {
					err := run(t, o)
					if !errors.As(err, new(errEnough)) {
						t.Fatalf("run %d: %v", i, err)
					}
					at := src.Committed("orders/0")
					if at.Next != 20 || string(at.State) != "||||||||||" || sink.Len() != 10 || dead.Len() != 10 {
						t.Errorf("run %d: committed @%d with state %q, %d messages and %d dead letters",
							i, at.Next, at.State, sink.Len(), dead.Len())
					}
				}
				resumed.Store(true)
				err := run(t, o)
				if at := src.Committed("orders/0"); at.Next != 40 || sink.Len() != 20 || dead.Len() != 20 {
					t.Errorf("resumed: committed @%d, %d messages and %d dead letters, %v", at.Next, sink.Len(), dead.Len(), err)
				}
			})
		}
	}
}

// largeOrRejected rejects as rejectUneven does, and makes few of the others
// fill a part.
type largeOrRejected struct{}

func (*largeOrRejected) Reset()                      {}
func (*largeOrRejected) Bound(*pipeline.Message) int { return 10 << 10 }
func (*largeOrRejected) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	return append(dst, make([]byte, 10<<10)...), rejectUneven(ctx, m)
}

// TestResume: a person has a place go on in a run that lives, with messages
// behind it or none.
func TestResume(t *testing.T) {
	for _, messages := range []int{20, 40} {
		synctest.Test(t, func(t *testing.T) {
			src, sink, dead := pipelinetest.NewSource([]string{"a"}, []string{"b"}), new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
			src.Live, src.MaxBatch = true, 4
			src.Put("a", numbered(0, messages)...)
			src.Put("b", numbered(0, 5)...)
			var resumed atomic.Bool
			resume, watch := make(chan struct{}, 1), new(pipelinetest.Recorder)
			r := start(t, pipeline.Options{
				Source: src, Sink: sink, DeadLetters: dead, NewGate: counting(10, &resumed),
				NewTransform: pipelinetest.Each(rejectUneven), Resume: resume, Observer: watch,
			})
			time.Sleep(time.Hour)
			synctest.Wait()
			if parked := watch.ParkedPlaces(); len(parked) != 1 || parked["a"] == nil || dead.Len() != 10 {
				t.Errorf("parked: %v, %d dead letters", parked, dead.Len())
			}
			resumed.Store(true)
			resume <- struct{}{}
			time.Sleep(time.Minute)
			src.Put("a", numbered(messages, 44)...)
			time.Sleep(time.Minute)
			synctest.Wait()
			wantValues(t, sink.Stored(), "b", count(0, 5))
			// After ten more it has enough again, behind message 39.
			if at := src.Committed("a").Next; at != 40 || len(watch.ParkedPlaces()) != 1 || dead.Len() != 20 {
				t.Errorf("resumed: @%d, parked %v, %d dead letters", at, watch.ParkedPlaces(), dead.Len())
			}
			r.stop()
			if err := r.wait(); !errors.As(err, new(errEnough)) {
				t.Error(err)
			}
		})
	}
}

// TestDeadLetterRefusedBeforeEnough: a reject whose dead letter is refused is
// not counted twice, however often its place is tried, and those before it are
// counted once.
func TestDeadLetterRefusedBeforeEnough(t *testing.T) {
	for _, first := range []int64{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			src, dead := pipelinetest.NewSource([]string{"a"}, []string{"b"}), new(pipelinetest.MemorySink)
			src.Live, src.MaxBatch = true, 10
			src.Put("a", numbered(0, 10)...)
			began := time.Now()
			dead.Refuse = func(m *pipeline.Message) error {
				if m.Origin.Offset >= first && time.Since(began) < time.Hour {
					return pipeline.Passing(errBoom)
				}
				return nil
			}
			var resumed atomic.Bool
			r := start(t, pipeline.Options{
				Source: src, Sink: new(pipelinetest.MemorySink), DeadLetters: dead, NewGate: counting(6, &resumed),
				NewTransform: pipelinetest.Each(rejectUneven),
			})
			src.Put("b", numbered(0, 1)...) // so that something passes
			counted := func(next int64, rejects int) {
				t.Helper()
				synctest.Wait()
				at := src.Committed("a")
				if at.Next != next || string(at.State) != strings.Repeat("|", rejects) || dead.Len() != rejects {
					t.Errorf("refused from %d: committed @%d, state %q, %d dead letters", first, at.Next, at.State, dead.Len())
				}
			}
			time.Sleep(30 * time.Minute)
			counted(first, int(first)/2)
			time.Sleep(90 * time.Minute)
			counted(10, 5)
			r.stop()
			if err := r.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
