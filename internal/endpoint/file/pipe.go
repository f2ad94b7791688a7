package file

import (
	"context"
	"io"
	"sync/atomic"
)

// pipeReader reads a pipe one piece ahead, in a goroutine of its own, so that
// waiting for a silent pipe can be given up. A read of standard input cannot be
// interrupted: the goroutine stays in it until the pipe answers or the process
// ends, and the bytes that it then reads are dropped.
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
		r.handOver(piece{err: err})
		return
	}
	defer in.Close() //nolint:errcheck // opened for reading
	defer context.AfterFunc(r.ctx, func() { _ = in.Close() })()
	for {
		select {
		case b := <-r.free:
			n, err := in.Read(b)
			if !r.handOver(piece{b: b[:n], err: err}) || err != nil {
				return
			}
		case <-r.ctx.Done():
			return
		}
	}
}

// handOver gives a piece to Read, and tells whether pieces are still wanted.
func (r *pipeReader) handOver(p piece) bool {
	select {
	case r.pieces <- p:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// Read implements io.Reader.
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
