package route

import (
	"context"
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// sharedSink lets several lanes write dead letters to a Sink that takes one lane at a time: they take turns. It is open as
// long as one of them is. A letter may then stay that a failed lane will write again; none is dropped.
type sharedSink struct {
	pipeline.Sink

	mu     sync.Mutex
	users  int
	writer pipeline.Writer
}

// Open implements pipeline.Sink.
func (s *sharedSink) Open(ctx context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		w, err := s.Sink.Open(ctx, lane)
		if err != nil {
			return nil, err
		}
		s.writer = w
	}
	s.users++
	return &sharedWriter{sink: s}, nil
}

type sharedWriter struct{ sink *sharedSink }

// Write implements pipeline.Writer. Once begun it is not interrupted: what one lane leaves half done ends the others.
func (w *sharedWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	if err := ctx.Err(); err != nil && len(msgs) > 0 { // a position alone costs no time
		return err
	}
	return w.sink.writer.Write(context.WithoutCancel(ctx), msgs, done)
}

// Close implements pipeline.Writer.
func (w *sharedWriter) Close(ctx context.Context) error {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	if w.sink.users--; w.sink.users > 0 {
		return nil
	}
	return w.sink.writer.Close(context.WithoutCancel(ctx))
}
