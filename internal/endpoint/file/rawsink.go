package file

import (
	"context"
	"io"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// OpenRawSink implements endpoint.Raw.
func (f *rawFile) OpenRawSink(_ context.Context, s *endpoint.Session) (endpoint.RawSink, error) {
	if f.path == connector.Stream {
		return rawPipe{s.Stdout}, nil
	}
	a, err := connector.NewAtomic(f.path, s.Overwrite)
	if err != nil {
		return nil, err
	}
	s.OnClose(a.Abort)
	return a, nil
}

// rawPipe is an output that cannot be taken back.
type rawPipe struct{ io.Writer }

// Commit implements endpoint.RawSink.
func (rawPipe) Commit() error { return nil }
