package pipeline_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

func TestOptions(t *testing.T) {
	valid := func() pipeline.Options {
		return pipeline.Options{Source: source(1), Sink: new(pipelinetest.MemorySink), NewTransform: pipelinetest.Identity}
	}
	tests := []struct {
		name   string
		change func(*pipeline.Options)
		want   string
	}{
		{"valid", func(*pipeline.Options) {}, ""},
		{"no source", func(o *pipeline.Options) { o.Source = nil }, "no source"},
		{"no sink", func(o *pipeline.Options) { o.Sink = nil }, "no sink"},
		{"no transform", func(o *pipeline.Options) { o.NewTransform = nil }, "no transform"},
		{"workers", func(o *pipeline.Options) { o.Workers = -1 }, "workers must not be negative"},
		{"budget", func(o *pipeline.Options) { o.Budget = 1 << 10 }, "budget: 1024 bytes"},
		{"negative budget", func(o *pipeline.Options) { o.Budget = -1 }, "budget: -1 bytes"},
		{"read-ahead", func(o *pipeline.Options) { o.ReadAhead = -1 }, "read-ahead"},
		{"grace", func(o *pipeline.Options) { o.Grace = -1 }, "grace"},
		{"values of nothing", func(o *pipeline.Options) { o.DeadLetterValues = true }, "without dead letters"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := valid()
			test.change(&o)
			err := pipeline.Run(t.Context(), o)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestMemory(t *testing.T) {
	tests := []struct {
		name           string
		o              pipeline.Options
		lanes, largest int
		want           int64
	}{
		{"defaults", pipeline.Options{Workers: 4}, 3, 0, 4*8<<20 + 3*3<<20 + 32<<20},
		{"large batches", pipeline.Options{Workers: 2, Budget: 16 << 20}, 2, 5 << 20, 2*16<<20 + 2*5<<20 + 32<<20},
		{"read-ahead within budget", pipeline.Options{Workers: 1, Budget: 1 << 20, ReadAhead: 4 << 20}, 1, 0, 1<<20 + 512<<10 + 32<<20},
	}
	for _, test := range tests {
		if got := pipeline.Memory(test.o, test.lanes, test.largest); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

func TestOrderWithSlowTransforms(t *testing.T) {
	src, sink := source(3, 300), new(pipelinetest.MemorySink)
	o := pipeline.Options{
		Source: src, Sink: sink, Workers: 7,
		NewTransform: pipelinetest.Each(func(context.Context, *pipeline.Message) error {
			time.Sleep(rand.N(time.Second))
			return nil
		}),
	}
	if err := run(t, o); err != nil {
		t.Fatal(err)
	}
	wantValues(t, sink.Stored(), "orders/0", count(0, 300))
	if got := src.Committed("orders/0"); got.Next != 300 || got.Last != 299 {
		t.Errorf("committed %+v", got)
	}
}

// TestParallelWithinLane: with four workers, four batches of one lane are in
// flight.
func TestParallelWithinLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := pipeline.Run(t.Context(), quiet(pipeline.Options{
			Source: source(1, 8), Sink: new(pipelinetest.MemorySink), Workers: 4,
			NewTransform: pipelinetest.Each(func(context.Context, *pipeline.Message) error {
				time.Sleep(time.Second)
				return nil
			}),
		}))
		if took := time.Since(began); err != nil || took != 2*time.Second {
			t.Errorf("took %v of the bubble's time, want 2 s (%v)", took, err)
		}
	})
}

func TestPrevious(t *testing.T) {
	src, sink := pipelinetest.NewSource([]string{"a", "b"}), new(pipelinetest.MemorySink)
	src.MaxBatch = 2
	o := pipeline.Options{Source: src, Sink: sink, NewTransform: on("1", pipeline.Skip)}
	put := func() {
		for i := range 3 {
			src.Put("a", numbered(i, i+1)...)
			src.PutGap("a")
		}
		src.Put("b", numbered(0, 2)...)
	}
	for range 2 { // the second run begins where the first one's positions say
		put()
		if err := run(t, o); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[string][]int64)
	for _, m := range sink.Stored() {
		got[m.Origin.Place] = append(got[m.Origin.Place], m.Origin.Previous, m.Origin.Offset)
	}
	// A skipped message counts as previous.
	if want := []int64{-1, 0, 2, 4, 4, 6, 8, 10}; !slices.Equal(got["a"], want) {
		t.Errorf("a: got %v, want %v", got["a"], want)
	}
	if want := []int64{-1, 0, 1, 2}; !slices.Equal(got["b"], want) {
		t.Errorf("b: got %v, want %v", got["b"], want)
	}
}

// valuer is a transform that makes what the test says of a message.
type valuer struct {
	pipelinetest.Filter
	make func(dst []byte, m *pipeline.Message) []byte
}

func (v valuer) Append(_ context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	return v.make(dst, m), nil
}

func TestNullAndEmpty(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		make func(dst []byte, m *pipeline.Message) []byte
		want []byte
	}{
		{"null stays null", nil, func(dst []byte, _ *pipeline.Message) []byte { return dst }, nil},
		{"empty stays empty", []byte{}, func(dst []byte, _ *pipeline.Message) []byte { return dst }, []byte{}},
		{"nothing appended is empty", []byte("x"), func(dst []byte, _ *pipeline.Message) []byte { return dst }, []byte{}},
		{"made null", []byte("x"), func(dst []byte, m *pipeline.Message) []byte { m.Value = nil; return append(dst, 'x') }, nil},
		{"replaced", []byte("x"), func(dst []byte, m *pipeline.Message) []byte { return append(dst, 'y') }, []byte("y")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src, sink := pipelinetest.NewSource([]string{"a"}), new(pipelinetest.MemorySink)
			src.Put("a", pipeline.Message{Key: []byte("k"), Value: test.in})
			o := pipeline.Options{Source: src, Sink: sink, NewTransform: func() pipeline.Transform { return valuer{make: test.make} }}
			if err := run(t, o); err != nil {
				t.Fatal(err)
			}
			got := sink.Stored()[0].Value
			if string(got) != string(test.want) || (got == nil) != (test.want == nil) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

// TestPositionWithoutMessages: gaps and skipped messages move the position,
// through the sink as well.
func TestPositionWithoutMessages(t *testing.T) {
	var tr trace
	src := pipelinetest.NewSource([]string{"a"})
	src.MaxBatch = 1
	src.OnCommit = tr.commits
	src.Put("a", numbered(0, 1)...)
	src.PutGap("a")
	sink := &pipelinetest.MemorySink{OnWrite: tr.writes("write")}
	if err := run(t, pipeline.Options{Source: src, Sink: sink, NewTransform: on("0", pipeline.Skip)}); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "write 0 @1", "commit 1 @1", "write 0 @2", "commit 0 @2")
	if got := src.Committed("a"); got.Next != 2 || got.Last != 0 {
		t.Errorf("committed %+v, want Next 2 and Last 0", got)
	}
}

func TestObserver(t *testing.T) {
	src, sink := source(4, 10), new(pipelinetest.MemorySink)
	var stats pipelinetest.Recorder
	o := pipeline.Options{
		Source: src, Sink: sink, DeadLetters: new(pipelinetest.MemorySink), Observer: &stats,
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			switch string(m.Value) {
			case "3":
				return pipeline.Skip
			case "4", "9":
				return &pipeline.Reject{Reason: "malformed"}
			}
			return nil
		}),
	}
	if err := run(t, o); err != nil {
		t.Fatal(err)
	}
	n := stats.Totals()
	got := []int64{n.Read, n.Written, n.Skipped, n.BytesIn, n.BytesOut, int64(n.Batches), int64(n.Lanes), int64(n.FailedLanes)}
	if want := []int64{10, 7, 1, 30, 21, 3, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r := n.Rejected; len(r) != 1 || r["malformed"] != 2 {
		t.Errorf("reasons %v", r)
	}
}

func TestErrorsReadAsDocumented(t *testing.T) {
	err := error(&pipeline.MessageError{
		Origin: pipeline.Origin{Place: "orders/3", Offset: 8812},
		Err:    &pipeline.Reject{Reason: "tampered", Err: errors.New("tampered: chunk 4")},
	})
	if got := err.Error(); got != "orders/3@8812: tampered: chunk 4" {
		t.Error(got)
	}
	var r *pipeline.Reject
	if !errors.As(err, &r) || r.Reason != "tampered" {
		t.Error("the reject is not found in the message's error")
	}
}
