package main

import (
	"context"
	"io"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// newBatches makes batches. Each message has a payload of its own.
func newBatches(n int) []*pipeline.Batch {
	batches := make([]*pipeline.Batch, n)
	for i := range batches {
		b := &pipeline.Batch{
			Messages: make([]pipeline.Message, batchMessages),
			Ends:     make([]pipeline.Position, 1),
			Size:     batchMessages * messageBytes,
		}
		payload := make([]byte, batchMessages*messageBytes)
		for j := range b.Messages {
			b.Messages[j] = pipeline.Message{
				Key:    []byte(recordKey),
				Value:  payload[j*messageBytes : (j+1)*messageBytes],
				Origin: pipeline.Origin{Place: place, Offset: int64(j), Previous: int64(j) - 1},
			}
		}
		batches[i] = b
	}
	return batches
}

const place = "orders/3"

// repeater is a source of one lane, which lends the batches of its pool again
// and again.
type repeater struct {
	batches int // still to lend
	pool    []*pipeline.Batch
	free    chan *pipeline.Batch
	next    int64
	held    *pipeline.Assignment
}

func (r *repeater) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	r.free = make(chan *pipeline.Batch, len(r.pool))
	for _, b := range r.pool {
		b.Release = func() { r.free <- b }
		r.free <- b
	}
	r.held = pipeline.NewAssignment(place)
	return serve(ctx, r)
}

func (r *repeater) HoldsAll() bool { return true }

func (r *repeater) Assignment() *pipeline.Assignment { return r.held }

func (r *repeater) Start() []pipeline.Position { return nil }

func (r *repeater) Read(context.Context, int) (*pipeline.Batch, error) {
	if r.batches == 0 {
		return nil, io.EOF
	}
	r.batches--
	b := <-r.free
	for i := range b.Messages {
		b.Messages[i].Origin.Offset = r.next
		r.next++
	}
	b.Ends[0] = pipeline.Position{Place: place, Next: r.next}
	return b, nil
}

func (r *repeater) Commit(context.Context, *pipeline.Progress) error { return nil }

// discard is a sink that counts.
type discard struct{ messages int }

func (d *discard) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) { return d, nil }

func (d *discard) Write(_ context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
	d.messages += len(msgs)
	return nil
}

func (d *discard) Close(context.Context) error { return nil }
