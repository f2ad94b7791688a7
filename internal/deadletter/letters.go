// Package deadletter writes dead letters to any Sink: a message that says where
// a rejected message is stored, and why it was rejected.
//
//	NewSink    leaves out the parts that the destination cannot hold
//	Values     says how much of a value a letter has
//	ShareSink  lets several lanes write to a destination that takes one lane
//
// The package must not know any kind of destination, nor the content of
// a letter; package pipeline makes the letters.
package deadletter

import (
	"context"
	"errors"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// CheckFunc tells whether a message can be written with a value of size bytes.
// Its error is a *pipeline.Reject.
type CheckFunc func(m *pipeline.Message, size int) error

// NewSink returns a Sink that writes letters with such values to another one.
// If check says that the destination cannot hold the value or the time of a
// letter, the letter is written without it: it still says where the message is
// stored.
func NewSink(to pipeline.Sink, values Values, check CheckFunc) pipeline.Sink {
	return &letterSink{Sink: to, values: values, check: check}
}

type letterSink struct {
	pipeline.Sink
	values Values
	check  CheckFunc
}

// Open implements pipeline.Sink.
func (s *letterSink) Open(ctx context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	w, err := s.Sink.Open(ctx, lane)
	if err != nil {
		return nil, err
	}
	return &letterWriter{Writer: w, values: s.values, check: s.check}, nil
}

type letterWriter struct {
	pipeline.Writer
	values  Values
	check   CheckFunc
	letters []pipeline.Message // of one Write
}

// Write implements pipeline.Writer. It leaves msgs as they are.
func (w *letterWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	w.letters = append(w.letters[:0], msgs...)
	defer func() { clear(w.letters) }()
	for i := range w.letters {
		m := &w.letters[i]
		w.values.limitValue(m)
		if w.findRefusal(m) == pipeline.ReasonMalformed {
			m.Time = time.Time{}
		}
		if m.Value != nil && w.findRefusal(m) == pipeline.ReasonTooLarge {
			hashValue(m)
		}
	}
	return w.Writer.Write(ctx, w.letters, done)
}

// findRefusal returns the reason why m cannot be written; "" if it can.
func (w *letterWriter) findRefusal(m *pipeline.Message) pipeline.Reason {
	var refused *pipeline.Reject
	if err := w.check(m, len(m.Value)); errors.As(err, &refused) {
		return refused.Reason
	}
	return ""
}
