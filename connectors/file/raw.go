package file

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/connectors/format/members"
)

// RawInput is the input of one payload that becomes no message: a regular file
// or a pipe.
type RawInput struct {
	path  string
	stdin io.Reader

	read    atomic.Int64 // bytes
	total   int64        // bytes; 0 if unknown
	regular *os.File     // nil for a pipe
	owned   bool         // regular was opened here
	pipe    *pipe        // nil until it is read
}

// OpenRaw opens a regular file, or takes stdin for Stream. A pipe is opened
// when it is read. The caller ends with Close.
func OpenRaw(path string, stdin io.Reader) (*RawInput, error) {
	in := &RawInput{path: path, stdin: stdin}
	if path == Stream {
		if f, ok := stdin.(*os.File); ok {
			return in, in.useRegular(f)
		}
		return in, nil
	}
	is, err := isRegular(path)
	switch {
	case errors.Is(err, errFolder):
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	case err != nil:
		return nil, err
	case !is:
		return in, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in.owned = true
	return in, in.useRegular(f)
}

// useRegular makes f the input if it is a regular file.
func (in *RawInput) useRegular(f *os.File) error {
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

// IsSeekable tells whether the input can be read in any order.
func (in *RawInput) IsSeekable() bool { return in.regular != nil }

// Progress returns how many bytes have been read, and of how many; 0 if that is
// unknown.
func (in *RawInput) Progress() (read, total int64) { return in.read.Load(), in.total }

// Reader returns a reader of the input. It is called once. That of a regular
// file is an io.ReaderAt and an io.Seeker; bytes that are read by offset are
// not counted. That of a pipe returns the error of ctx when that ends.
func (in *RawInput) Reader(ctx context.Context) io.Reader {
	if in.regular != nil {
		return &regularReader{file: in.regular, count: &in.read}
	}
	read := func(p []byte) (int, error) {
		if in.pipe == nil {
			if err := in.openPipe(); err != nil {
				return 0, err
			}
		}
		n, err := in.pipe.read(ctx, p)
		in.read.Add(int64(n))
		return n, err
	}
	return readFunc(read)
}

func (in *RawInput) openPipe() (err error) {
	if in.path == Stream {
		in.pipe = newPipe(in.stdin, members.None)
		return nil
	}
	in.pipe, err = openPipe(in.path, members.None)
	return err
}

// Close closes the file or pipe that was opened here. Reading has ended.
func (in *RawInput) Close() error {
	if in.pipe != nil {
		in.pipe.close()
	}
	if !in.owned {
		return nil
	}
	return in.regular.Close()
}

// readFunc is an io.Reader.
type readFunc func(p []byte) (int, error)

// Read implements io.Reader.
func (r readFunc) Read(p []byte) (int, error) { return r(p) }

// regularReader counts the bytes that are read in sequence.
type regularReader struct {
	file  *os.File
	count *atomic.Int64
}

// Read implements io.Reader.
func (r *regularReader) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	r.count.Add(int64(n))
	return n, err
}

// ReadAt implements io.ReaderAt.
func (r *regularReader) ReadAt(p []byte, at int64) (int, error) { return r.file.ReadAt(p, at) }

// Seek implements io.Seeker.
func (r *regularReader) Seek(offset int64, whence int) (int64, error) {
	return r.file.Seek(offset, whence)
}
