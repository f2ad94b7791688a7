package file

import (
	"context"
	"errors"
	"io"
	"os"
)

// input is an open file or pipe.
type input interface {
	// read returns at least one byte or an error; io.EOF comes alone.
	read(ctx context.Context, p []byte) (int, error)
	// live tells whether read may have to wait for a writer. Such an input cannot be read again.
	live() bool
	close()
}

type regular struct{ *os.File }

func (r regular) read(ctx context.Context, p []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return r.Read(p)
}

func (regular) live() bool { return false }
func (r regular) close()   { _ = r.Close() } // opened for reading: nothing to lose

// pump reads a pipe one piece ahead, in a goroutine of its own, so that a wait for a silent pipe can
// be given up. A read of standard input cannot be interrupted; the goroutine then stays in it until
// the pipe says something or the process ends. It returns nothing after that.
type pump struct {
	r     io.Reader
	full  chan piece
	empty chan []byte
	stop  chan struct{}
	wake  <-chan struct{} // ends a wait with errWoken; may be nil
	now   piece
	off   int
}

type piece struct {
	b   []byte
	err error
}

const pieceSize = 64 << 10

// errWoken ends a wait for a pipe in which nothing has come.
var errWoken = errors.New("woken")

func newPump(r io.Reader) *pump {
	p := &pump{r: r, full: make(chan piece), empty: make(chan []byte, 2), stop: make(chan struct{})}
	for range cap(p.empty) {
		p.empty <- make([]byte, pieceSize)
	}
	go p.run()
	return p
}

func (p *pump) run() {
	for {
		var b []byte
		select {
		case b = <-p.empty:
		case <-p.stop:
			return
		}
		n, err := p.r.Read(b)
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

func (p *pump) read(ctx context.Context, dst []byte) (int, error) {
	for p.off == len(p.now.b) {
		if p.now.err != nil {
			return 0, p.now.err
		}
		if p.now.b != nil {
			p.empty <- p.now.b[:pieceSize]
			p.now, p.off = piece{}, 0
		}
		select {
		case p.now = <-p.full:
		case <-p.wake:
			return 0, errWoken
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	n := copy(dst, p.now.b[p.off:])
	p.off += n
	return n, nil
}

func (*pump) live() bool { return true }

func (p *pump) close() {
	close(p.stop)
	if c, ok := p.r.(*os.File); ok && c != os.Stdin {
		_ = c.Close()
	}
}

// window is the stretch of an input that is in memory: what was read and not yet taken.
type window struct {
	in   input
	buf  []byte
	r, w int
	at   int64 // where buf[r] lies in the input
	keep int   // how many bytes that were taken stay in buf, at least; fewer if there are no more
	eof  bool
	read func(n int) // told of every byte that came in
}

const (
	minWindow = 256 << 10
	maxIdle   = 1 << 20 // a window that one large record has grown beyond this is given back
)

func (w *window) bytes() []byte { return w.buf[w.r:w.w] }

// taken returns the last bytes that were taken, as many as keep says; they are valid until fill.
func (w *window) taken() []byte { return w.buf[max(0, w.r-w.keep):w.r] }

// begin says what lies before an input that is read from its middle.
func (w *window) begin(before []byte) { w.buf, w.r, w.w = before, len(before), len(before) }

// take hands out the next n bytes; they are valid until fill.
func (w *window) take(n int) []byte {
	b := w.buf[w.r : w.r+n]
	w.r += n
	w.at += int64(n)
	return b
}

// putBack undoes the last take.
func (w *window) putBack(n int) {
	w.r -= n
	w.at -= int64(n)
}

// fill reads more. It grows the buffer only when that is full of what the input really holds, so a
// length that a record claims costs nothing.
func (w *window) fill(ctx context.Context) error {
	w.makeRoom()
	n, err := w.in.read(ctx, w.buf[w.w:])
	w.w += n
	w.read(n)
	if err == io.EOF {
		w.eof = true
		return nil
	}
	return err
}

func (w *window) makeRoom() {
	from := max(0, w.r-w.keep)
	have := w.w - from
	switch {
	case have == len(w.buf):
		grown := make([]byte, max(2*have, minWindow))
		copy(grown, w.buf[from:w.w])
		w.buf = grown
	case have < minWindow && len(w.buf) > maxIdle:
		small := make([]byte, minWindow)
		copy(small, w.buf[from:w.w])
		w.buf = small
	case w.w == len(w.buf) || w.r == w.w:
		copy(w.buf, w.buf[from:w.w])
	default:
		return
	}
	w.r, w.w = w.r-from, have
}
