package deadletter

import (
	"context"
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// ShareSink lets several lanes write to a Sink that takes one lane at a time:
// they take turns. The Sink is open as long as one of them is. A letter may
// then stay although a failed lane will write it again; none is dropped.
func ShareSink(to pipeline.Sink) pipeline.Sink { return &sharedSink{Sink: to} }

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

// Write implements pipeline.Writer. A write that has begun is not interrupted:
// a letter that one lane left half written would end the other lanes.
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
