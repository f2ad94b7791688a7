package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// namedSink is a sink with errors that name it.
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
	named := namedWriter{w, s.as}
	if p, ok := w.(pipeline.Preparer); ok {
		return namedPreparer{named, p}, nil
	}
	return named, nil
}

// namedWriter is a writer with errors that name its sink.
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

// namedPreparer is a namedWriter that prepares messages.
type namedPreparer struct {
	namedWriter
	preparer pipeline.Preparer
}

// Prepare implements pipeline.Preparer.
func (w namedPreparer) Prepare(msgs []pipeline.Message) pipeline.Prepared {
	p := w.preparer.Prepare(msgs)
	if p == nil {
		return nil
	}
	return namedPrepared{p, w.as}
}

// namedPrepared are prepared messages, with errors that name their sink.
type namedPrepared struct {
	pipeline.Prepared
	as endpoint.Role
}

// Write implements pipeline.Prepared.
func (p namedPrepared) Write(ctx context.Context, done *pipeline.Progress) error {
	return nameSinkError(p.as, p.Prepared.Write(ctx, done))
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
	if message || namesParked(err) {
		return fmt.Errorf("%s %w", endpoint.From, err)
	}
	return err
}

// namesParked tells whether the text of an error begins with the name of a
// parked place.
func namesParked(err error) bool {
	parked, ok := errors.AsType[*pipeline.ParkedError](err)
	return ok && slices.ContainsFunc(parked.Parked[0].Places, func(place string) bool {
		return strings.HasPrefix(err.Error(), place+"@")
	})
}
