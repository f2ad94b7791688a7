package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// vandal is a transform that changes all of a message and then rejects it.
type vandal struct{ pipelinetest.Filter }

func (vandal) Append(_ context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	m.Key, m.Value, m.Origin = []byte("other"), []byte("plaintext"), pipeline.Origin{}
	m.Headers = append(m.Headers, pipeline.Header{Name: "secret"})
	return append(dst, "plaintext"...), &pipeline.Reject{Reason: "malformed", Err: errBoom}
}

func TestDeadLetter(t *testing.T) {
	for _, values := range []bool{false, true} {
		src, sink, dead := source(10, 2), new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
		err := run(t, pipeline.Options{
			Source: src, Sink: sink, DeadLetters: dead, DeadLetterValues: values,
			NewTransform: func() pipeline.Transform { return vandal{} },
		})
		if err != nil || sink.Len() != 0 || dead.Len() != 2 {
			t.Fatalf("%d written, %d dead letters, %v", sink.Len(), dead.Len(), err)
		}
		got := dead.Stored()[1]
		want := pipeline.Message{
			Key: []byte("k1"),
			Headers: []pipeline.Header{
				{Name: "streamcrypt-origin", Value: []byte("orders/0@1")},
				{Name: "streamcrypt-reason", Value: []byte("malformed")},
			},
		}
		if values {
			want.Value = []byte("1")
		}
		c := pipelinetest.Carries{Key: true, NullValue: true, Headers: true, HeaderOrder: true, NullHeader: true}
		if d := pipelinetest.Diff(c, &want, &got); d != "" {
			t.Error(d)
		}
		if got.Origin != (pipeline.Origin{Place: "orders/0", Offset: 1, Previous: 0}) {
			t.Errorf("origin %+v", got.Origin)
		}
	}
}

// TestDeadLettersComeFirst: before the good messages of the same flush; their
// position, alone, after.
func TestDeadLettersComeFirst(t *testing.T) {
	var tr trace
	src := source(5, 10)
	src.OnCommit = tr.commits
	o := pipeline.Options{
		Source: src, Workers: 1, NewTransform: on("2", &pipeline.Reject{Reason: "malformed"}),
		Sink:        &pipelinetest.MemorySink{OnWrite: tr.writes("write")},
		DeadLetters: &pipelinetest.MemorySink{OnWrite: tr.writes("dead")},
	}
	if err := run(t, o); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "dead 1", "write 4 @5", "dead 0 @5", "commit 5 @5", "write 5 @10", "commit 5 @10")
}

// TestDeadLetterOrder: rejects of the transform and of the gate come in the
// order of the messages.
func TestDeadLetterOrder(t *testing.T) {
	src, dead := source(10, 10), new(pipelinetest.MemorySink)
	reject := func(values ...string) func(*pipeline.Message) error {
		return func(m *pipeline.Message) error {
			if slices.Contains(values, string(m.Value)) {
				return &pipeline.Reject{Reason: "malformed"}
			}
			return nil
		}
	}
	transform := reject("2", "5", "6")
	err := run(t, pipeline.Options{
		Source: src, Sink: new(pipelinetest.MemorySink), DeadLetters: dead, DeadLetterValues: true,
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error { return transform(m) }),
		NewGate:      gates(new(trace), reject("1", "4", "7")),
	})
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, dead.Stored(), "orders/0", []string{"1", "2", "4", "5", "6", "7"})
}

// TestRejectsBehindAFailure: a message behind the one that ends the lane is not
// dead yet.
func TestRejectsBehindAFailure(t *testing.T) {
	src, sink, dead := source(10, 10), new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, DeadLetters: dead, DeadLetterValues: true,
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if v := string(m.Value); v == "1" || v == "6" {
				return &pipeline.Reject{Reason: "malformed"}
			}
			return nil
		}),
		NewGate: gates(new(trace), func(m *pipeline.Message) error {
			if string(m.Value) == "3" {
				return errBoom
			}
			return nil
		}),
	})
	if !errors.Is(err, errBoom) {
		t.Error(err)
	}
	wantValues(t, sink.Stored(), "orders/0", []string{"0", "2"})
	wantValues(t, dead.Stored(), "orders/0", []string{"1"})
}

// TestDeadLettersThatAreNotWritten: no good message of the flush is written,
// nothing is committed.
func TestDeadLettersThatAreNotWritten(t *testing.T) {
	src, sink := source(10, 10), new(pipelinetest.MemorySink)
	dead := &pipelinetest.MemorySink{OnWrite: func(context.Context, []pipeline.Message, *pipeline.Progress) error {
		return errBoom
	}}
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, DeadLetters: dead, NewTransform: on("9", &pipeline.Reject{Reason: "malformed"}),
	})
	if !errors.Is(err, errBoom) || sink.Len() != 0 || src.Committed("orders/0").Next != 0 {
		t.Errorf("%d written, committed %+v, %v", sink.Len(), src.Committed("orders/0"), err)
	}
}

// TestCommitNamesDeadLetters: a commit says which messages were set aside, and
// for which reason, also of a batch that is written in parts.
func TestCommitNamesDeadLetters(t *testing.T) {
	src, sink, dead := source(10, 10), new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
	var got []pipeline.SetAside
	src.OnCommit = func(_ context.Context, done *pipeline.Progress) error {
		got = append(got, done.SetAside...)
		return nil
	}
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, DeadLetters: dead, Workers: 1, NewTransform: on("2", &pipeline.Reject{Reason: "malformed"}),
	})
	if want := []pipeline.SetAside{{Index: 2, Reason: "malformed"}}; err != nil || !slices.Equal(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
}
