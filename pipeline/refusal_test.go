package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// refusing returns a decision that refuses the messages of the given
// place@number with err.
func refusing(err error, which ...string) func(*pipeline.Message) error {
	return func(m *pipeline.Message) error {
		if slices.Contains(which, m.Origin.Place+"@"+string(m.Value)) {
			return err
		}
		return nil
	}
}

// contents traces each write of a sink with its messages.
func (tr *trace) contents(name string) func(context.Context, []pipeline.Message, *pipeline.Progress) error {
	return func(_ context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
		text := name
		for i := range msgs {
			text += fmt.Sprintf(" %s%d", msgs[i].Origin.Place, msgs[i].Origin.Offset)
		}
		if done != nil {
			text += " |"
			for _, p := range done.Places {
				text += fmt.Sprintf(" %s@%d", p.Place, p.Next)
			}
		}
		tr.add("%s", text)
		return nil
	}
}

// TestRefusedBecomesADeadLetter: a refused message is set aside, and those that
// were left behind it are written with the position.
func TestRefusedBecomesADeadLetter(t *testing.T) {
	var tr trace
	src := pipelinetest.NewSource([]string{"a", "b"})
	src.Put("a", numbered(0, 4)...)
	src.Put("b", numbered(0, 3)...)
	src.OnCommit = tr.commits
	reject := &pipeline.Reject{Reason: pipeline.ReasonRefused}
	sink := &pipelinetest.MemorySink{OnWrite: tr.contents("write"), Refuse: refusing(reject, "a@1", "a@2", "b@2")}
	dead := &pipelinetest.MemorySink{OnWrite: tr.contents("dead")}
	watch := new(pipelinetest.Recorder)
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, DeadLetters: dead, NewGate: gates(new(trace), nil), Observer: watch,
	})
	if err != nil {
		t.Error(err)
	}
	tr.want(t,
		"write a0 a1 a2 a3 b0 b1 b2 | a@4 b@3",
		"dead a1 a2 b2",
		"write a3 | a@4 b@3",
		"dead | a@4 b@3",
		"commit 7 @4 @3")
	wantValues(t, sink.Stored(), "a", []string{"0", "3"})
	if got := src.Committed("a"); string(got.State) != "3" {
		t.Errorf("a: committed %+v", got)
	}
	if n := watch.Totals(); n.Read != 7 || n.Written != 4 || n.Skipped != 0 || n.Rejected[pipeline.ReasonRefused] != 3 {
		t.Errorf("counted %+v", n)
	}
	if got := string(dead.Stored()[2].Headers[1].Value); got != "refused" {
		t.Errorf("the reason of the dead letter is %q", got)
	}
}

// TestRefusedParksItsPlace: without dead letters, or for a cause that is not
// the message's, the place stops, and what was left of it is not written.
func TestRefusedParksItsPlace(t *testing.T) {
	var tr trace
	src := pipelinetest.NewSource([]string{"a", "b"})
	src.Put("a", numbered(0, 4)...)
	src.Put("b", numbered(0, 3)...)
	src.OnCommit = tr.commits
	sink := &pipelinetest.MemorySink{OnWrite: tr.contents("write"), Refuse: refusing(errBoom, "a@1", "a@3")}
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, DeadLetters: new(pipelinetest.MemorySink), NewGate: gates(new(trace), nil),
	})
	if err == nil || err.Error() != "a@1: boom" {
		t.Errorf("ended with %v", err)
	}
	tr.want(t, "write a0 a1 a2 a3 b0 b1 b2 | a@4 b@3", "write | a@1 b@3", "commit 4 @1 @3")
	// The gate had admitted the whole batch.
	if got := src.Committed("a"); got.Next != 1 || got.Last != 0 || string(got.State) != "0" {
		t.Errorf("a: committed %+v", got)
	}
}

// TestRefusedAtItsFirstMessage: nothing of the batch counts, and the sink hears
// of the end of the step all the same.
func TestRefusedAtItsFirstMessage(t *testing.T) {
	var tr trace
	src := source(3, 3)
	src.OnCommit = tr.commits
	sink := &pipelinetest.MemorySink{OnWrite: tr.contents("write"), Refuse: refusing(errBoom, "orders/0@0")}
	if err := run(t, pipeline.Options{Source: src, Sink: sink}); !errors.Is(err, errBoom) {
		t.Error(err)
	}
	tr.want(t, "write orders/00 orders/01 orders/02 | orders/0@3", "write |")
}

// TestRefusedInAPart: a batch that is written in parts goes on after a refusal
// in one of them, and a place that stops in one has nothing in the next.
func TestRefusedInAPart(t *testing.T) {
	for _, letters := range []bool{true, false} {
		src, _ := sized(10<<10, 10<<10, 10<<10, 10<<10, 10)
		reject := &pipeline.Reject{Reason: pipeline.ReasonRefused}
		sink := &pipelinetest.MemorySink{Refuse: func(m *pipeline.Message) error {
			if m.Origin.Offset == 1 {
				return reject
			}
			return nil
		}}
		dead := new(pipelinetest.MemorySink)
		o := pipeline.Options{Source: src, Sink: sink, Workers: 1, Budget: smallBudget, ReadAhead: 1 << 20}
		src.MaxBatch = 5
		if letters {
			o.DeadLetters = dead
		}
		err := run(t, o)
		want, next := []int64{0}, int64(1)
		if letters {
			want, next = []int64{0, 2, 3, 4}, 5
		}
		if got := offsetsIn(sink.Stored(), "a"); !slices.Equal(got, want) || letters != (err == nil) || src.Committed("a").Next != next {
			t.Errorf("letters %t: stored %v, committed %+v, %v", letters, got, src.Committed("a"), err)
		}
	}
}

// TestUndoable: a transaction that holds a message behind the stop of its own
// place is taken back, and its lane begins again with the stop.
func TestUndoable(t *testing.T) {
	for _, letters := range []bool{true, false} {
		src := threePlaces(30, 9)
		src.OnRead = nil
		reject := &pipeline.Reject{Reason: pipeline.ReasonRefused}
		sink := &pipelinetest.Transactions{
			Source: src, Refuse: refusing(reject, "b@4"),
			Ahead: func(m *pipeline.Message) bool { return number(m)%2 == 1 }, // in another partition
		}
		o := pipeline.Options{Source: src, Sink: sink, NewGate: gates(new(trace), nil)}
		if letters {
			o.DeadLetters = sink.DeadLetters()
		}
		err := run(t, o)
		stored, dead := sink.Stored()
		if letters {
			if err != nil || sink.Aborted() != 0 || len(dead) != 1 || len(stored) != 26 {
				t.Errorf("%d messages and %d dead letters after %d aborts, %v", len(stored), len(dead), sink.Aborted(), err)
			}
			continue
		}
		if err == nil || err.Error() != "b@4: refused" || sink.Aborted() != 1 {
			t.Errorf("ended with %v after %d aborts", err, sink.Aborted())
		}
		for place, n := range map[string]int{"a": 9, "b": 4, "c": 9} {
			wantValues(t, stored, place, count(0, n))
			if got := src.Committed(place).Next; got != int64(n) {
				t.Errorf("%s: committed @%d", place, got)
			}
		}
	}
}

// TestRefusedDeadLetter: a dead letter that its destination does not take stops
// the place of its message, and no other.
func TestRefusedDeadLetter(t *testing.T) {
	for _, size := range []int{1, 4, 30} {
		src, sink := threePlaces(size, 10), new(pipelinetest.MemorySink)
		dead := &pipelinetest.MemorySink{Refuse: func(m *pipeline.Message) error {
			if m.Origin.Place == "b" && m.Origin.Offset == 6 {
				return errBoom
			}
			return nil
		}}
		err := run(t, pipeline.Options{
			Source: src, Sink: sink, DeadLetters: dead, NewGate: gates(new(trace), nil),
			NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
				if number(m)%3 == 0 {
					return &pipeline.Reject{Reason: pipeline.ReasonMalformed}
				}
				return nil
			}),
		})
		if err == nil || err.Error() != "b@6: its dead letter was refused: boom" {
			t.Errorf("ended with %v", err)
		}
		for place, n := range map[string]int{"a": 10, "b": 6, "c": 10} {
			var good []string
			for _, v := range count(0, n) {
				if v != "0" && v != "3" && v != "6" && v != "9" {
					good = append(good, v)
				}
			}
			wantValues(t, sink.Stored(), place, good)
			if got := src.Committed(place); got.Next != int64(n) || string(got.State) != good[len(good)-1] {
				t.Errorf("%s: committed %+v", place, got)
			}
		}
		if got := offsetsIn(dead.Stored(), "b"); !slices.Equal(got, []int64{0, 3}) {
			t.Errorf("dead letters of b: %v", got)
		}
	}
}

// liar is a sink that refuses in ways that the contract does not allow.
type liar struct {
	pipelinetest.MemorySink
	refused *pipeline.Refused
}

func (l *liar) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) { return l, nil }

func (l *liar) Write(context.Context, []pipeline.Message, *pipeline.Progress) error { return l.refused }

func (l *liar) Close(context.Context) error { return nil }

// TestRefusalsThatAreNone: a sink that refuses nothing, or messages that it was
// not given, fails its lane.
func TestRefusalsThatAreNone(t *testing.T) {
	named := func(indexes ...int) *pipeline.Refused {
		r := new(pipeline.Refused)
		for _, i := range indexes {
			r.Messages = append(r.Messages, pipeline.RefusedMessage{Index: i, Err: errBoom})
		}
		return r
	}
	unnamed := named(0)
	unnamed.Messages[0].Err = nil
	both := named(1)
	both.Left = []int{5}
	for _, test := range []struct {
		refused *pipeline.Refused
		want    string
	}{
		{named(), "no message was refused"},
		{named(3), "not given"},
		{named(1, 0), "no order"},
		{both, "not given"},
		{unnamed, "without a reason"},
	} {
		err := run(t, pipeline.Options{Source: source(3, 3), Sink: &liar{refused: test.refused}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
