package file

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// OpenRawSource implements endpoint.Raw.
func (f *rawFile) OpenRawSource(_ context.Context, s *endpoint.Session) (endpoint.RawSource, error) {
	in, err := openRawSource(f.path, s.Stdin)
	if err != nil {
		return nil, err
	}
	s.OnClose(in.close)
	return in, nil
}

// rawSource is a payload that is read: a regular file, or a pipe.
type rawSource struct {
	read     atomic.Int64 // bytes
	total    int64        // bytes; 0 if not known
	regular  *os.File     // nil for a pipe
	owned    bool         // regular was opened here
	openPipe func() (io.ReadCloser, error)
}

// openRawSource opens a regular file. A pipe is opened when it is read, since
// opening a named pipe waits for its writer.
func openRawSource(path string, stdin io.Reader) (*rawSource, error) {
	in := &rawSource{}
	if path == connector.Stream {
		in.openPipe = func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }
		f, ok := stdin.(*os.File)
		if !ok {
			return in, nil
		}
		return in, in.useIfRegular(f)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("is a folder")}
	case !info.Mode().IsRegular():
		in.openPipe = func() (io.ReadCloser, error) { return os.Open(path) }
		return in, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in.owned = true
	return in, in.useIfRegular(f)
}

// useIfRegular makes f the input if it is a regular file.
func (in *rawSource) useIfRegular(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	in.regular, in.total = f, max(0, info.Size()-at)
	return nil
}

// IsSeekable implements endpoint.RawSource.
func (in *rawSource) IsSeekable() bool { return in.regular != nil }

// Progress implements endpoint.RawSource.
func (in *rawSource) Progress() endpoint.Progress {
	return endpoint.Progress{Done: in.read.Load(), Total: in.total, Unit: endpoint.Bytes}
}

// OpenReader implements endpoint.RawSource.
func (in *rawSource) OpenReader(ctx context.Context) io.Reader {
	if in.regular != nil {
		return &regularReader{f: in.regular, n: &in.read}
	}
	return newPipeReader(ctx, in.openPipe, &in.read)
}

func (in *rawSource) close() error {
	if !in.owned {
		return nil
	}
	return in.regular.Close()
}

// regularReader counts the bytes that are read from a file in sequence.
type regularReader struct {
	f *os.File
	n *atomic.Int64
}

// Read implements io.Reader.
func (r *regularReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	r.n.Add(int64(n))
	return n, err
}

// ReadAt implements io.ReaderAt.
func (r *regularReader) ReadAt(p []byte, at int64) (int, error) { return r.f.ReadAt(p, at) }

// Seek implements io.Seeker.
func (r *regularReader) Seek(offset int64, whence int) (int64, error) {
	return r.f.Seek(offset, whence)
}
