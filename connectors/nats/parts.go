package nats

import (
	"context"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

func (s *Sink) needsParts(m *pipeline.Message) bool { return false }

func (w *writer) publishParts(ctx context.Context, m *pipeline.Message, index int) (int, error) {
	return 0, nil
}
