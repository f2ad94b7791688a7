package route

import (
	"context"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// discard is the sink of verify.
type discard struct{}

func (discard) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) { return discard{}, nil }

func (discard) Write(context.Context, []pipeline.Message, *pipeline.Progress) error { return nil }

func (discard) Close(context.Context) error { return nil }
