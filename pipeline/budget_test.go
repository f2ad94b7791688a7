package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

const smallBudget = 64 << 10 // 24 KiB for values

// sized returns one batch of messages of the given sizes, numbered in their
// first bytes.
func sized(sizes ...int) (*pipelinetest.MemorySource, []pipeline.Message) {
	src := pipelinetest.NewSource([]string{"a"})
	var msgs []pipeline.Message
	for i, n := range sizes {
		value := append(fmt.Appendf(nil, "%d:", i), bytes.Repeat([]byte{byte('a' + i%26)}, n)...)
		msgs = append(msgs, pipeline.Message{Value: value[:n]})
	}
	src.Put("a", msgs...)
	return src, msgs
}

// watched is an identity that watches the buffer it is given.
type watched struct {
	pipelinetest.Filter
	resets  *atomic.Int64
	largest *atomic.Int64
	mu      *sync.Mutex
	buffers map[*byte][]byte
}

func (w watched) Reset() { w.resets.Add(1) }

func (w watched) Append(_ context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	out := append(dst, m.Value...)
	w.largest.Store(max(w.largest.Load(), int64(cap(out))))
	if w.buffers != nil && cap(out) > 0 {
		w.mu.Lock()
		w.buffers[&out[:1][0]] = out[:cap(out)]
		w.mu.Unlock()
	}
	return out, nil
}

// TestBudget: a batch whose output is over the budget is written in parts of
// one step.
func TestBudget(t *testing.T) {
	var tr trace
	src, want := sized(10<<10, 10<<10, 10<<10, 24<<10, 1, 0, 5<<10, 20<<10)
	src.OnCommit = tr.commits
	sink := &pipelinetest.MemorySink{}
	sink.OnWrite = func(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
		for _, m := range msgs {
			if cap(m.Value) != len(m.Value) {
				t.Errorf("message %d: value of %d bytes reaches over %d", m.Origin.Offset, len(m.Value), cap(m.Value))
			}
		}
		return tr.writes("write")(ctx, msgs, done)
	}
	var resets, largest atomic.Int64
	stats := new(pipelinetest.Recorder)
	o := pipeline.Options{
		Source: src, Sink: sink, Workers: 1, Budget: smallBudget, ReadAhead: 32 << 10, Observer: stats,
		NewTransform: func() pipeline.Transform { return watched{resets: &resets, largest: &largest} },
	}
	src.MaxBatch = 0
	if err := run(t, o); err != nil {
		t.Fatal(err)
	}
	// The source's limit of half a budget makes two batches of it: 0-3 and 4-7.
	tr.want(t,
		"write 2", "write 1", "write 1 @4", "commit 4 @4",
		"write 3", "write 1 @8", "commit 4 @8")
	if largest.Load() > smallBudget*3/8 {
		t.Errorf("a buffer grew to %d bytes", largest.Load())
	}
	if resets.Load() != 5 {
		t.Errorf("%d resets after 5 writes", resets.Load())
	}
	if r, w := stats.Totals().Read, stats.Totals().Written; r != 8 || w != 8 {
		t.Errorf("%d read and %d written", r, w)
	}
	for i, m := range sink.Stored() {
		if !bytes.Equal(m.Value, want[i].Value) || m.Origin.Offset != int64(i) {
			t.Errorf("message %d differs", i)
		}
	}
}

// keeper keeps what it makes of null values in memory of its own, until it is
// told that all is written.
type keeper struct {
	pipelinetest.Filter
	kept, most int
}

func (k *keeper) Reset() { k.kept = 0 }

func (k *keeper) Bound(*pipeline.Message) int { return 5 << 10 }

func (k *keeper) Append(_ context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if m.Value == nil {
		k.kept += 5 << 10
		k.most = max(k.most, k.kept)
		return dst, nil
	}
	return append(dst, m.Value...), nil
}

// TestBudgetOfNullValues: what a transform keeps for null values is within the
// budget too.
func TestBudgetOfNullValues(t *testing.T) {
	src := pipelinetest.NewSource([]string{"a"})
	src.Put("a", make([]pipeline.Message, 50)...)
	sink, k := &pipelinetest.MemorySink{}, &keeper{}
	o := pipeline.Options{
		Source: src, Sink: sink, Workers: 1, Budget: smallBudget,
		NewTransform: func() pipeline.Transform { return k },
	}
	if err := run(t, o); err != nil {
		t.Fatal(err)
	}
	if n := len(sink.Stored()); n != 50 || k.most > smallBudget*3/8 || k.most == 0 {
		t.Errorf("%d messages, %d bytes kept at once", n, k.most)
	}
}

// TestFailureWithinAStep: after a part that was not written, the rest of its
// batch is not either.
func TestFailureWithinAStep(t *testing.T) {
	var tr trace
	src, _ := sized(10<<10, 10<<10, 10<<10)
	src.OnCommit = tr.commits
	sink := &pipelinetest.MemorySink{OnWrite: func(_ context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
		tr.add("write %d", len(msgs))
		return errBoom
	}}
	if err := run(t, pipeline.Options{Source: src, Sink: sink, Budget: smallBudget}); !errors.Is(err, errBoom) {
		t.Error(err)
	}
	tr.want(t, "write 2")
}

// TestManySmallMessages: the structs of messages are part of the budget, too.
func TestManySmallMessages(t *testing.T) {
	src, sink := source(1000, 1000), new(pipelinetest.MemorySink)
	most := 0
	sink.OnWrite = func(_ context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
		most = max(most, len(msgs))
		return nil
	}
	if err := run(t, pipeline.Options{Source: src, Sink: sink, Workers: 1, Budget: smallBudget}); err != nil {
		t.Fatal(err)
	}
	wantValues(t, sink.Stored(), "orders/0", count(0, 1000))
	if most > 60 {
		t.Errorf("%d messages in one write", most)
	}
}

func TestTooLarge(t *testing.T) {
	src, _ := sized(10, 24<<10, 24<<10+1, 10)
	sink, dead := new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
	o := pipeline.Options{Source: src, Sink: sink, DeadLetters: dead, Budget: smallBudget}
	if err := run(t, o); err != nil {
		t.Fatal(err)
	}
	if sink.Len() != 3 || dead.Len() != 1 {
		t.Fatalf("%d written, %d dead letters", sink.Len(), dead.Len())
	}
	letter := dead.Stored()[0]
	if letter.Origin.Offset != 2 || string(letter.Headers[1].Value) != "too-large" || letter.Value != nil {
		t.Errorf("dead letter %+v", letter)
	}
}

// TestGrownBuffer: values that are already in the buffer move with it.
func TestGrownBuffer(t *testing.T) {
	var sizes []int
	for range 400 {
		sizes = append(sizes, rand.IntN(3000))
	}
	src, want := sized(sizes...)
	src.MaxBatch = 0
	sink := new(pipelinetest.MemorySink)
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, ReadAhead: 4 << 20, Workers: 1,
		NewTransform: func() pipeline.Transform {
			return pipelinetest.Filter{Decide: func(_ context.Context, m *pipeline.Message) error {
				if m.Origin.Offset%7 == 3 {
					return pipeline.Skip
				}
				return nil
			}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range sink.Stored() {
		if !bytes.Equal(m.Value, want[m.Origin.Offset].Value) {
			t.Errorf("message %d differs", m.Origin.Offset)
		}
	}
	if len(sink.Stored()) != 343 {
		t.Errorf("%d messages", len(sink.Stored()))
	}
}

// TestBuffersAreCleared: plaintext does not outlive the run, not even in a
// buffer that was outgrown.
func TestBuffersAreCleared(t *testing.T) {
	var resets, largest atomic.Int64
	w := watched{resets: &resets, largest: &largest, mu: new(sync.Mutex), buffers: make(map[*byte][]byte)}
	src, _ := sized(100, 17<<10, 100, 40<<10, 90<<10, 100)
	err := run(t, pipeline.Options{
		Source: src, Sink: new(pipelinetest.MemorySink), Workers: 2,
		NewTransform: func() pipeline.Transform { return w },
	})
	if err != nil || len(w.buffers) < 2 {
		t.Fatalf("%d buffers, %v", len(w.buffers), err)
	}
	for _, b := range w.buffers {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("a buffer of %d bytes still holds values", len(b))
		}
	}
}

// TestBackpressure: while the sink is stuck, no more batches are out than there
// are workers, and one per lane.
func TestBackpressure(t *testing.T) {
	tests := []struct {
		name          string
		workers, most int
		lanes         []int
	}{
		{"one lane", 3, 3 + 1, []int{100}},
		{"one worker", 1, 1 + 1, []int{100}},
		{"three lanes", 4, 3 + 3, []int{100, 100, 100}},        // a share of 1 each
		{"larger shares", 9, 8 + 4, []int{100, 100, 100, 100}}, // of 2 each
		{"more lanes than workers", 1, 1 + 3, []int{100, 100, 100}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, sink := source(1, test.lanes...), new(pipelinetest.MemorySink)
				open := make(chan struct{})
				sink.OnWrite = func(context.Context, []pipeline.Message, *pipeline.Progress) error {
					<-open
					return nil
				}
				together(src, len(test.lanes))
				r := start(t, pipeline.Options{Source: src, Sink: sink, Workers: test.workers})
				synctest.Wait()
				if n := src.CountLent(); n != test.most {
					t.Errorf("%d batches out, want %d", n, test.most)
				}
				close(open)
				if err := r.wait(); err != nil {
					t.Error(err)
				}
				for i, n := range test.lanes {
					wantValues(t, sink.Stored(), fmt.Sprintf("orders/%d", i), count(0, n))
				}
			})
		})
	}
}

// TestStuckLane: a lane whose sink is stuck does not hold the workers of the
// others.
func TestStuckLane(t *testing.T) {
	for _, lanes := range []int{2, 3, 4} {
		t.Run(fmt.Sprint(lanes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counts := make([]int, lanes)
				for i := range counts {
					counts[i] = 50
				}
				src, sink := source(1, counts...), new(pipelinetest.MemorySink)
				src.Live = true // lanes stay, and with them their shares
				open := make(chan struct{})
				last := fmt.Sprintf("orders/%d", lanes-1)
				sink.OnWrite = func(_ context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
					if msgs[0].Origin.Place != last {
						<-open
					}
					return nil
				}
				together(src, lanes)
				r := start(t, pipeline.Options{Source: src, Sink: sink, Workers: 4})
				synctest.Wait()
				wantValues(t, sink.Stored(), last, count(0, 50))
				close(open)
				synctest.Wait()
				r.stop()
				if err := r.wait(); err != nil || sink.Len() != 50*lanes {
					t.Errorf("%d messages, %v", sink.Len(), err)
				}
			})
		})
	}
}

// together makes the lanes wait for each other before they read: a lane that is
// alone may take all workers.
func together(src *pipelinetest.MemorySource, lanes int) {
	var ready sync.WaitGroup
	ready.Add(lanes)
	var reads atomic.Int64
	src.OnRead = func(context.Context) error {
		if reads.Add(1) <= int64(lanes) {
			ready.Done()
		}
		ready.Wait()
		return nil
	}
}
