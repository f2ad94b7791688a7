package envelope

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// errClosed is the error of Write after Close.
var errClosed = errors.New("envelope: write after close")

// Writer seals a payload of any length while it is written. It holds a chunk in
// memory, and a compressor where payloads are compressed. Close must be called,
// and the output is complete only if Close returns nil. A Writer is for one
// goroutine.
type Writer struct {
	ctx context.Context //nolint:containedctx // an io.Writer has no other way to hear of its end
	s   *Sealer
	w   io.Writer
	b   Binding // ours alone

	coder  *coder // nil where nothing is coded
	chunk  []byte // coded payload not sealed yet; a full chunk waits until more comes, for it may be the last
	out    []byte
	long   longPayload // begun with the first chunk
	binder binder
	index  uint32
	bytes  uint64
	err    error
}

// NewWriter returns a Writer of the raw form of docs/envelope.md, section 9:
// one envelope, and before a long self-contained one its key record. A long
// payload has a data key of its own, so the Limits do not apply to it; those of
// the format do.
func (s *Sealer) NewWriter(ctx context.Context, w io.Writer, b Binding) *Writer {
	out := &Writer{
		ctx: ctx, s: s, w: w, b: copyBinding(b), chunk: make([]byte, 0, s.options.ChunkSize),
		binder: newBinder(s.options.Bind),
	}
	if s.options.Coding.IsSet() && b.Kind == Value {
		size := s.options.ChunkSize
		out.coder = &coder{o: &s.options.Coding, limit: size, plain: make([]byte, 0, size)}
		out.coder.out = func(p []byte) error {
			_, err := out.writeCoded(p)
			return err
		}
	}
	return out
}

// Write seals all full chunks but the last one.
func (w *Writer) Write(p []byte) (n int, err error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.coder == nil:
		return w.writeCoded(p)
	}
	if n, err = w.coder.Write(p); err != nil {
		w.coder.release()
	}
	return n, w.noteError(err)
}

// writeCoded takes payload in its coded form.
func (w *Writer) writeCoded(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	for n < len(p) {
		if err := w.makeRoom(); err != nil {
			return n, err
		}
		take := min(len(p)-n, cap(w.chunk)-len(w.chunk))
		w.chunk = append(w.chunk, p[n:n+take]...)
		n += take
	}
	return n, nil
}

// ReadFrom seals all of r, reading straight into the chunk. io.Copy uses it.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.coder != nil:
		n, err := copyAll(w.coder, r)
		if err != io.EOF {
			w.coder.release()
		}
		return n, w.noteReadError(err)
	}
	var ahead [1]byte
	for {
		if len(w.chunk) == cap(w.chunk) {
			got, err := readFull(r, ahead[:])
			if got == 0 {
				return n, w.noteReadError(err)
			}
			if err := w.makeRoom(); err != nil {
				return n, err
			}
			w.chunk = append(w.chunk, ahead[0])
			n++
		}
		got, err := readFull(r, w.chunk[len(w.chunk):cap(w.chunk)])
		w.chunk = w.chunk[:len(w.chunk)+got]
		n += int64(got)
		if err != nil {
			return n, w.noteReadError(err)
		}
	}
}

// readFull reads until p is full. Unlike io.ReadFull it tells the source's end,
// a bare io.EOF, from a source that broke off, which may call that
// io.ErrUnexpectedEOF or wrap io.EOF.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var got int
		got, err = r.Read(p[n:])
		n += got
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

// copyAll copies r to w. It returns a bare io.EOF at the source's end.
func copyAll(w io.Writer, r io.Reader) (n int64, err error) {
	buf := make([]byte, 32<<10)
	defer clear(buf)
	for {
		got, err := r.Read(buf)
		if _, err := w.Write(buf[:got]); err != nil {
			return n, err
		}
		n += int64(got)
		if err != nil {
			return n, err
		}
	}
}

// noteReadError returns nil for a source that ended; after any other error the
// payload is incomplete and must never be closed as whole.
func (w *Writer) noteReadError(err error) error {
	if err == io.EOF {
		return nil
	}
	return w.noteError(err)
}

// makeRoom seals the chunk if it is full: more is coming, so it is not the
// last.
func (w *Writer) makeRoom() error {
	if len(w.chunk) < cap(w.chunk) {
		return nil
	}
	return w.noteError(w.sealChunk(false))
}

// Close seals the rest and ends the envelope. It does not close the underlying
// writer.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	err := w.noteError(w.finish())
	w.err = errClosed
	w.long.releaseKey()
	if w.coder != nil {
		w.coder.release()
	}
	clear(w.chunk[:cap(w.chunk)])
	return err
}

// finish seals the last chunk, which may be all there is.
func (w *Writer) finish() error {
	streamed := w.coder != nil && w.coder.begun
	if streamed {
		if err := w.coder.finish(); err != nil {
			return err
		}
	}
	if w.long.grant != nil {
		return w.sealChunk(true)
	}
	worker := w.s.workers.Get().(*SealWorker)
	defer w.s.workers.Put(worker)
	var err error
	switch {
	case streamed:
		w.out, err = worker.sealStreamed(w.ctx, w.out[:0], w.chunk, &w.b)
	case w.coder != nil:
		w.out, err = worker.Seal(w.ctx, w.out[:0], w.coder.plain, &w.b, nil)
	default:
		w.out, err = worker.Seal(w.ctx, w.out[:0], w.chunk, &w.b, nil)
	}
	if err != nil {
		return err
	}
	_, err = w.w.Write(w.out)
	return err
}

// noteError keeps the first error, which ends the Writer.
func (w *Writer) noteError(err error) error {
	if err != nil && w.err == nil {
		w.err = err
		w.long.releaseKey()
	}
	return err
}

// sealChunk seals and writes the chunk.
func (w *Writer) sealChunk(final bool) (err error) {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.out = w.out[:0]
	if w.long.grant == nil {
		w.out, err = w.long.beginSealing(w.ctx, w.s, w.out, &w.binder, &w.b, w.coder != nil)
		if err != nil {
			return err
		}
	}
	w.bytes += uint64(len(w.chunk))
	if w.bytes > maxStreamBytes || w.index == math.MaxUint32>>1 {
		return &Error{Reason: ReasonTooLarge, Err: errTooLong}
	}
	aad := w.long.aad.Bytes(w.long.bound, w.index, final)
	if w.out, err = appendSegment(w.out, w.chunk, w.long.grant.Sealer, aad); err != nil {
		return err
	}
	w.index++
	w.chunk = w.chunk[:0]
	if final {
		w.out = cms.AppendBreak(w.out)
	}
	_, err = w.w.Write(w.out)
	return err
}
