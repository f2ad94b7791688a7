package route

import (
	"context"
	"errors"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// letterSink writes dead letters. What of one cannot be written, its value or its time, stays away: it says where the message
// is stored.
type letterSink struct{ checkedSink }

// checkedSink is a sink that knows what it cannot carry.
type checkedSink interface {
	pipeline.Sink
	Check(m *pipeline.Message, valueSize int) error
}

func (s letterSink) Open(ctx context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	w, err := s.checkedSink.Open(ctx, lane)
	if err != nil {
		return nil, err
	}
	return &letterWriter{Writer: w, sink: s}, nil
}

type letterWriter struct {
	pipeline.Writer
	sink    letterSink
	letters []pipeline.Message // of one Write
}

func (w *letterWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	w.letters = append(w.letters[:0], msgs...)
	defer func() { clear(w.letters) }()
	for i := range w.letters {
		m := &w.letters[i]
		if w.refusal(m) == "malformed" {
			m.Time = time.Time{}
		}
		if w.refusal(m) == "too-large" {
			m.Value = nil
		}
	}
	return w.Writer.Write(ctx, w.letters, done)
}

// refusal is the reason for which m cannot be written; "" if it can.
func (w *letterWriter) refusal(m *pipeline.Message) string {
	var refused *pipeline.Reject
	if err := w.sink.Check(m, len(m.Value)); errors.As(err, &refused) {
		return string(refused.Reason)
	}
	return ""
}

// discard is the sink of verify.
type discard struct{}

func (discard) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) { return discard{}, nil }

func (discard) Write(context.Context, []pipeline.Message, *pipeline.Progress) error { return nil }

func (discard) Close(context.Context) error { return nil }
