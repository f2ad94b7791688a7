package route

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/connectors/file"
)

// rawInput is what a raw route reads: a regular file, or a pipe.
type rawInput struct {
	read    atomic.Int64 // bytes
	total   int64        // bytes; 0 if not known
	regular *os.File     // nil for a pipe
	owned   bool         // regular was opened here
	pipe    func() (io.ReadCloser, error)
}

// openRawInput opens a regular file. A pipe is opened when it is read: opening a named one waits for its writer.
func openRawInput(path string, stdin io.Reader) (*rawInput, error) {
	in := &rawInput{}
	if path == file.Stream {
		in.pipe = func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }
		f, ok := stdin.(*os.File)
		if !ok {
			return in, nil
		}
		return in, in.measure(f)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("is a folder")}
	case !info.Mode().IsRegular():
		in.pipe = func() (io.ReadCloser, error) { return os.Open(path) }
		return in, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in.owned = true
	return in, in.measure(f)
}

// measure makes f the input if it is a regular file.
func (in *rawInput) measure(f *os.File) error {
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

// seekable tells whether the input can be read in any order.
func (in *rawInput) seekable() bool { return in.regular != nil }

// reader returns what reads the input, once. A reader of a regular file is an io.ReaderAt and io.Seeker; what is read at a
// place is not counted. A reader of a pipe gives up when ctx ends, which it must.
func (in *rawInput) reader(ctx context.Context) io.Reader {
	if in.regular != nil {
		return &regularReader{f: in.regular, n: &in.read}
	}
	return newPipeReader(ctx, in.pipe, &in.read)
}

func (in *rawInput) close() error {
	if !in.owned {
		return nil
	}
	return in.regular.Close()
}

// regularReader counts what is read from a file in sequence.
type regularReader struct {
	f *os.File
	n *atomic.Int64
}

func (r *regularReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	r.n.Add(int64(n))
	return n, err
}

func (r *regularReader) ReadAt(p []byte, at int64) (int, error) { return r.f.ReadAt(p, at) }

func (r *regularReader) Seek(offset int64, whence int) (int64, error) {
	return r.f.Seek(offset, whence)
}

// pipeReader reads a pipe one piece ahead, in a goroutine of its own, so that waiting for a silent pipe can be given up. A
// read of standard input cannot be interrupted: the goroutine stays in it until the pipe says something or the process ends,
// and what it then reads is dropped.
type pipeReader struct {
	ctx    context.Context //nolint:containedctx // an io.Reader has no other way to hear of its end
	n      *atomic.Int64
	pieces chan piece  // unbuffered
	free   chan []byte // memory for pieces
	now    piece
	rest   []byte // of now, not handed out yet
}

type piece struct {
	b   []byte
	err error
}

const pieceSize = 128 << 10

func newPipeReader(ctx context.Context, open func() (io.ReadCloser, error), n *atomic.Int64) *pipeReader {
	r := &pipeReader{ctx: ctx, n: n, pieces: make(chan piece), free: make(chan []byte, 2)}
	for range cap(r.free) {
		r.free <- make([]byte, pieceSize)
	}
	go r.pump(open)
	return r
}

// pump is the goroutine. It ends with the pipe or with ctx.
func (r *pipeReader) pump(open func() (io.ReadCloser, error)) {
	in, err := open()
	if err != nil {
		r.hand(piece{err: err})
		return
	}
	defer in.Close() //nolint:errcheck // opened for reading
	defer context.AfterFunc(r.ctx, func() { _ = in.Close() })()
	for {
		select {
		case b := <-r.free:
			n, err := in.Read(b)
			if !r.hand(piece{b: b[:n], err: err}) || err != nil {
				return
			}
		case <-r.ctx.Done():
			return
		}
	}
}

// hand gives a piece to whoever reads, and reports whether that is still wanted.
func (r *pipeReader) hand(p piece) bool {
	select {
	case r.pieces <- p:
		return true
	case <-r.ctx.Done():
		return false
	}
}

func (r *pipeReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.now.err != nil {
			return 0, r.now.err
		}
		if r.now.b != nil {
			r.free <- r.now.b[:pieceSize] // it has room for all there are
		}
		select {
		case r.now = <-r.pieces:
			r.rest = r.now.b
		case <-r.ctx.Done():
			r.now = piece{err: r.ctx.Err()}
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.n.Add(int64(n))
	return n, nil
}
