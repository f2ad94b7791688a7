package file

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format/members"
)

// pipe reads a pipe, a terminal or another device one piece ahead, in a
// goroutine of its own, so that waiting for a silent one ends with a context.
//
// The goroutine belongs to the pipe and ends before close returns, where the
// system can interrupt it. It cannot interrupt a read of standard input that is
// no pipe and no terminal, of another io.Reader, and outside Linux a named pipe
// that waits for its writer. Then the goroutine stays in that read until it
// returns, drops the bytes and ends; close does not wait for it.
type pipe struct {
	in    io.Reader
	ours  io.Closer // read by in, if the goroutine is to close it; nil if not
	full  chan piece
	empty chan []byte
	stop  chan struct{}   // closed by close
	ended chan struct{}   // closed by the goroutine
	wake  <-chan struct{} // an element ends a wait with errWoken; may be nil
	now   piece
	used  int // bytes of now
}

// piece is the result of one read.
type piece struct {
	b   []byte
	err error
}

const pieceSize = 128 << 10

// errWoken ends a wait for a pipe in which nothing has come.
var errWoken = errors.New("woken")

// openPipe opens a path that is no regular file. A named pipe without a writer
// is waited for by the first read.
func openPipe(path string, kind members.Kind) (*pipe, error) {
	in, err := openDevice(path)
	if err != nil {
		return nil, err
	}
	return startPipe(unpackStream(kind, in), in), nil
}

// newPipe reads r, which stays the caller's. Standard input is opened once more
// where the system allows it, since its own descriptor cannot be interrupted.
func newPipe(r io.Reader, kind members.Kind) *pipe {
	if f, ok := r.(*os.File); ok {
		if again, err := reopenFile(f); err == nil {
			return startPipe(unpackStream(kind, again), again)
		}
	}
	return startPipe(unpackStream(kind, r), nil)
}

func startPipe(in io.Reader, ours io.Closer) *pipe {
	p := &pipe{
		in: in, ours: ours,
		full: make(chan piece), empty: make(chan []byte, 2),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	for range cap(p.empty) {
		p.empty <- make([]byte, pieceSize)
	}
	go p.pumpPieces()
	return p
}

// pumpPieces is the goroutine.
func (p *pipe) pumpPieces() {
	defer close(p.ended)
	if p.ours != nil {
		defer p.ours.Close() //nolint:errcheck // opened for reading: nothing to lose
	}
	for {
		var b []byte
		select {
		case b = <-p.empty:
		case <-p.stop:
			return
		}
		n, err := p.in.Read(b)
		select {
		case p.full <- piece{b[:n], err}:
		case <-p.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// read returns at least one byte or an error; io.EOF comes alone.
func (p *pipe) read(ctx context.Context, dst []byte) (int, error) {
	for p.used == len(p.now.b) {
		if p.now.err != nil {
			return 0, p.now.err
		}
		if p.now.b != nil {
			p.empty <- p.now.b[:pieceSize] // it has room for all there are
			p.now, p.used = piece{}, 0
		}
		select {
		case p.now = <-p.full:
		case <-p.wake:
			return 0, errWoken
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	n := copy(dst, p.now.b[p.used:])
	p.used += n
	return n, nil
}

func (*pipe) isLive() bool { return true }

// close ends the goroutine; see pipe. Nothing is read afterwards.
func (p *pipe) close() {
	close(p.stop)
	// A deadline in the past ends a read that waits, if the input can have one.
	// An input that is closed has none either: then the goroutine is at its
	// end.
	limited, ok := p.ours.(interface{ SetReadDeadline(time.Time) error })
	if ok && !errors.Is(limited.SetReadDeadline(time.Unix(1, 0)), os.ErrNoDeadline) {
		<-p.ended
	}
}
