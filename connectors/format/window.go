package format

import (
	"context"
	"io"
)

// Window is the stretch of an input that is in memory: the bytes that were read
// and not taken yet. It is used by one goroutine.
type Window struct {
	// Read returns at least one byte or an error; io.EOF comes alone.
	Read func(ctx context.Context, p []byte) (int, error)
	// Offset is where Bytes begins in the input.
	Offset int64
	// EOF says that the input has no more bytes than those in Bytes.
	EOF bool

	buf         []byte
	begin, stop int // of Bytes in buf
}

const (
	minWindow = 256 << 10
	// maxIdleWindow is the most memory of a window that needs less.
	maxIdleWindow = 1 << 20
)

// Bytes returns the bytes that wait to be taken. They are valid until Fill.
func (w *Window) Bytes() []byte { return w.buf[w.begin:w.stop] }

// Take hands out the next n bytes. They are valid until Fill.
func (w *Window) Take(n int) []byte {
	b := w.buf[w.begin : w.begin+n]
	w.begin += n
	w.Offset += int64(n)
	return b
}

// PutBack undoes the last Take, of n bytes. Fill was not called since.
func (w *Window) PutBack(n int) {
	w.begin -= n
	w.Offset -= int64(n)
}

// Fill reads more bytes, or sets EOF. The buffer grows only when it is full of
// bytes that the input really holds, so a length that a record claims costs
// nothing.
func (w *Window) Fill(ctx context.Context) error {
	w.makeRoom()
	n, err := w.Read(ctx, w.buf[w.stop:])
	w.stop += n
	if err == io.EOF {
		w.EOF = true
		return nil
	}
	return err
}

func (w *Window) makeRoom() {
	have := w.stop - w.begin
	switch {
	case have == len(w.buf):
		w.moveTo(max(2*have, minWindow))
	case have < minWindow && len(w.buf) > maxIdleWindow: // one large record has grown it
		w.moveTo(minWindow)
	case w.stop == len(w.buf) || have == 0:
		copy(w.buf, w.buf[w.begin:w.stop])
		w.begin, w.stop = 0, have
	}
}

// moveTo moves the bytes into a buffer of another size.
func (w *Window) moveTo(size int) {
	b := make([]byte, size)
	n := copy(b, w.buf[w.begin:w.stop])
	w.buf, w.begin, w.stop = b, 0, n
}
