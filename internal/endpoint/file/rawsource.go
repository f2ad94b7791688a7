package file

import (
	"context"
	"io"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// OpenRawSource implements endpoint.Raw.
func (f *rawFile) OpenRawSource(_ context.Context, s *endpoint.Session) (endpoint.RawSource, error) {
	in, err := connector.OpenRaw(f.path, s.Stdin)
	if err != nil {
		return nil, err
	}
	s.OnClose(in.Close)
	return rawSource{in}, nil
}

// rawSource is a payload that is read: a regular file, or a pipe.
type rawSource struct{ *connector.RawInput }

// Progress implements endpoint.RawSource.
func (s rawSource) Progress() endpoint.Progress {
	read, total := s.RawInput.Progress()
	return endpoint.Progress{Done: read, Total: total, Unit: endpoint.Bytes}
}

// OpenReader implements endpoint.RawSource.
func (s rawSource) OpenReader(ctx context.Context) io.Reader { return s.Reader(ctx) }
