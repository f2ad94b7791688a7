package nats

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestStreamsEnd: the fault of one stream ends no other, and is the result of
// all; the end of the process is said once.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	c := b.connect()
	var sources []*Source
	for _, name := range []string{"A", "B"} {
		b.stream(name, nil)
		b.fill(name, 5, 0)
		sources = append(sources, b.source(c, SourceOptions{Stream: name, UntilEnd: true}))
	}
	fault := errors.New("a fault")
	read := 0
	err := NewStreams(sources).Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		if l.(*lane).source.Stream == "A" {
			return fault
		}
		return readBatches(ctx, l, readLimit, func(batch *pipeline.Batch) error {
			read += len(batch.Messages)
			return nil
		})
	})
	if !errors.Is(err, fault) || read != 5 {
		t.Errorf("%d messages of the other stream, %v", read, err)
	}
	ended := errors.New("told to end")
	ctx, end := context.WithCancelCause(t.Context())
	var lanes atomic.Int32
	err = NewStreams(sources).Serve(ctx, func(ctx context.Context, _ pipeline.Lane) error {
		if lanes.Add(1) == 2 {
			end(ended)
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if !errors.Is(err, ended) || strings.Count(err.Error(), ended.Error()) != 1 {
		t.Errorf("got %v", err)
	}
}
