package pipelinetest

import (
	"context"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Identity returns a Transform that leaves messages as they are, as
// Options.NewTransform wants it.
func Identity() pipeline.Transform { return Filter{} }

// Filter is a Transform that leaves messages as they are, or returns the error
// that Decide returns for them. A nil Decide passes all.
type Filter struct {
	Decide func(ctx context.Context, m *pipeline.Message) error
}

// Each returns a constructor of Transforms that share decide, which must be
// safe for concurrent use.
func Each(decide func(ctx context.Context, m *pipeline.Message) error) func() pipeline.Transform {
	return func() pipeline.Transform { return Filter{Decide: decide} }
}

// Reset does nothing.
func (Filter) Reset() {}

// Bound returns the length of the value.
func (Filter) Bound(m *pipeline.Message) int { return len(m.Value) }

// Append appends the value.
func (f Filter) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if f.Decide != nil {
		if err := f.Decide(ctx, m); err != nil {
			return dst, err
		}
	}
	return append(dst, m.Value...), nil
}
