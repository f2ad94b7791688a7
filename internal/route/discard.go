package route

import (
	"context"
	"io"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// discardRecords is the sink of a route that verifies.
type discardRecords struct{}

// Open implements pipeline.Sink.
func (discardRecords) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) {
	return discardRecords{}, nil
}

// Write implements pipeline.Writer.
func (discardRecords) Write(context.Context, []pipeline.Message, *pipeline.Progress) error {
	return nil
}

// Close implements pipeline.Writer.
func (discardRecords) Close(context.Context) error { return nil }

// discardRaw is the same for one payload.
type discardRaw struct{ io.Writer }

func newDiscardRaw() endpoint.RawSink { return discardRaw{io.Discard} }

// Commit implements endpoint.RawSink.
func (discardRaw) Commit() error { return nil }
