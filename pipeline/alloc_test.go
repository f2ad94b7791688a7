package pipeline_test

import (
	"context"
	"io"
	"runtime"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// repeater is a source of one lane and place that lends the same messages in n
// batches.
type repeater struct {
	n, size int
}

func (r *repeater) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	value := make([]byte, 1<<10)
	free := make(chan *pipeline.Batch, 64)
	for range cap(free) {
		b := &pipeline.Batch{
			Messages: make([]pipeline.Message, r.size),
			Ends:     make([]pipeline.Position, 1),
			Size:     r.size * len(value),
		}
		for i := range b.Messages {
			b.Messages[i].Value = value
		}
		b.Release = func() { free <- b }
		free <- b
	}
	return serve(ctx, &repeatedLane{left: r.n, free: free, held: pipeline.NewAssignment("orders/0")})
}

func (*repeater) HoldsAll() bool { return true }

type repeatedLane struct {
	left int
	next int64
	free chan *pipeline.Batch
	held *pipeline.Assignment
}

func (l *repeatedLane) Assignment() *pipeline.Assignment { return l.held }

func (l *repeatedLane) Start() []pipeline.Position { return nil }

func (l *repeatedLane) Read(context.Context, int) (*pipeline.Batch, error) {
	if l.left == 0 {
		return nil, io.EOF
	}
	l.left--
	b := <-l.free
	for i := range b.Messages {
		b.Messages[i].Origin = pipeline.Origin{Place: "orders/0", Offset: l.next}
		l.next++
	}
	b.Ends[0] = pipeline.Position{Place: "orders/0", Next: l.next}
	return b, nil
}

func (l *repeatedLane) Commit(context.Context, *pipeline.Progress) error { return nil }

// discard is a sink that counts.
type discard struct{ messages int }

func (d *discard) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) { return d, nil }
func (d *discard) Write(_ context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
	d.messages += len(msgs)
	return nil
}
func (d *discard) Close(context.Context) error { return nil }

// offsetGate is a gate that lets all pass and has a state.
type offsetGate struct{ last int64 }

func (g *offsetGate) Admit(m *pipeline.Message) error { g.last = m.Origin.Offset; return nil }
func (g *offsetGate) AppendState(dst []byte) []byte   { return append(dst, byte(g.last)) }

// TestNoAllocations: a run that is ten times as long allocates no more.
func TestNoAllocations(t *testing.T) {
	allocs := func(batches int) uint64 {
		sink := new(discard)
		o := pipeline.Options{
			Source: &repeater{n: batches, size: 500}, Sink: sink, NewTransform: pipelinetest.Identity, Workers: 2,
			NewGate: func(string, []byte) (pipeline.Gate, error) { return new(offsetGate), nil },
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := pipeline.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if sink.messages != 500*batches {
			t.Fatalf("%d messages", sink.messages)
		}
		return after.Mallocs - before.Mallocs
	}
	short, long := allocs(50), allocs(500)
	// The runtime allocates a little of its own; one allocation in each of 450
	// batches is too much.
	if long > short+100 {
		t.Errorf("%d allocations in 50 batches of 500, %d in 500", short, long)
	}
}

// BenchmarkRun: what the pipeline costs a message of 1 KiB, 500 in a batch,
// copy included.
func BenchmarkRun(b *testing.B) {
	for _, gate := range []bool{false, true} {
		name := "plain"
		if gate {
			name = "gate"
		}
		b.Run(name, func(b *testing.B) {
			const size = 500
			o := pipeline.Options{
				Source: &repeater{n: b.N/size + 1, size: size}, Sink: new(discard),
				NewTransform: pipelinetest.Identity, Workers: 1,
			}
			if gate {
				o.NewGate = func(string, []byte) (pipeline.Gate, error) { return new(offsetGate), nil }
			}
			b.ReportAllocs()
			b.SetBytes(1 << 10)
			if err := pipeline.Run(b.Context(), o); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkTransformOnly is the baseline of BenchmarkRun: the same copies in a
// loop.
func BenchmarkTransformOnly(b *testing.B) {
	const size = 500
	m := pipeline.Message{Value: make([]byte, 1<<10)}
	var transform pipeline.Transform = pipelinetest.Identity()
	dst := make([]byte, 0, size<<10)
	b.SetBytes(1 << 10)
	for i := range b.N {
		if i%size == 0 {
			dst = dst[:0]
		}
		dst, _ = transform.Append(b.Context(), dst, &m)
	}
}
