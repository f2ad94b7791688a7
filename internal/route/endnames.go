package route

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Errors of a run name the end that they are about: "from orders/3@8812:
// tampered", "to: out.ndjson: no space left on device".

// sinkError is an error of an end that is written.
type sinkError struct {
	as  endpoint.Role
	err error
}

func (e *sinkError) Error() string { return e.as.String() + ": " + e.err.Error() }

func (e *sinkError) Unwrap() error { return e.err }

// nameSinkError names the end of an error that is the end's own.
func nameSinkError(as endpoint.Role, err error) error {
	if err == nil || errors.Is(err, pipeline.ErrLost) || errors.Is(err, context.Canceled) {
		return err
	}
	return &sinkError{as, err}
}

// namedSink is a sink whose errors name it.
type namedSink struct {
	pipeline.Sink
	as endpoint.Role
}

// Open implements pipeline.Sink.
func (s namedSink) Open(ctx context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	w, err := s.Sink.Open(ctx, lane)
	if err != nil {
		return nil, nameSinkError(s.as, err)
	}
	return namedWriter{w, s.as}, nil
}

// namedWriter is a writer whose errors name its sink.
type namedWriter struct {
	pipeline.Writer
	as endpoint.Role
}

// Write implements pipeline.Writer.
func (w namedWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	return nameSinkError(w.as, w.Writer.Write(ctx, msgs, done))
}

// Close implements pipeline.Writer.
func (w namedWriter) Close(ctx context.Context) error {
	return nameSinkError(w.as, w.Writer.Close(ctx))
}

// nameSource puts the source in front of errors about its messages.
func nameSource(err error) error {
	if err == nil {
		return nil
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		var named []error
		for _, one := range several.Unwrap() {
			named = append(named, nameSource(one))
		}
		return errors.Join(named...)
	}
	_, message := errors.AsType[*pipeline.MessageError](err)
	parked, stands := errors.AsType[*pipeline.ParkedError](err)
	if message || stands && strings.HasPrefix(err.Error(), parked.Parked[0].Places[0]+"@") {
		return fmt.Errorf("%s %w", endpoint.From, err)
	}
	return err
}
