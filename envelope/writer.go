package envelope

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// errClosed is what Write returns after Close or an error.
var errClosed = errors.New("envelope: write after close")

// maxStreamBytes is the most payload of one stream (docs/envelope.md, section 11).
const maxStreamBytes = 1 << 40

// Writer seals a payload of any length while it is written. It holds one chunk in memory. Close must be called,
// and what was written is complete only if it returns nil.
type Writer struct {
	ctx context.Context // an io.Writer has no other way to hear of its end
	s   *Sealer
	w   io.Writer
	b   Binding

	chunk []byte // payload not sealed yet; a full chunk waits until more comes, for it may be the last
	out   []byte
	grant *kekcache.Grant // nil until the first chunk is sealed
	index uint32
	bytes uint64
	err   error
}

// NewWriter returns a Writer that writes the raw form of docs/envelope.md, section 9, to w: one envelope, and before a long
// self-contained one its key record. A long payload has a DEK of its own, so the key window's limits do not apply to it;
// those of the format do. The Sealer must not be used for anything else until Close.
func (s *Sealer) NewWriter(ctx context.Context, w io.Writer, b *Binding) *Writer {
	return &Writer{ctx: ctx, s: s, w: w, b: *b, chunk: make([]byte, 0, s.chunkSize)}
}

// Write seals all full chunks but the last one.
func (w *Writer) Write(p []byte) (n int, err error) {
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
	if w.err != nil {
		return 0, w.err
	}
	var ahead [1]byte
	for {
		if len(w.chunk) == cap(w.chunk) {
			got, err := fill(r, ahead[:])
			if got == 0 {
				return n, w.readError(err)
			}
			if err := w.makeRoom(); err != nil {
				return n, err
			}
			w.chunk = append(w.chunk, ahead[0])
			n++
		}
		got, err := fill(r, w.chunk[len(w.chunk):cap(w.chunk)])
		w.chunk = w.chunk[:len(w.chunk)+got]
		n += int64(got)
		if err != nil {
			return n, w.readError(err)
		}
	}
}

// fill reads until p is full. Unlike io.ReadFull it tells the source's end, a bare io.EOF, from a source that broke off, which may call that
// io.ErrUnexpectedEOF or wrap io.EOF.
func fill(r io.Reader, p []byte) (n int, err error) {
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

// readError: a source that ended is no error; after any other the payload is incomplete and must never be closed as whole.
func (w *Writer) readError(err error) error {
	if err == io.EOF {
		return nil
	}
	return w.fail(err)
}

// makeRoom seals the chunk if it is full: more is coming, so it is not the last.
func (w *Writer) makeRoom() error {
	if len(w.chunk) < cap(w.chunk) {
		return nil
	}
	return w.fail(w.flush(false))
}

// Close seals what is left and ends the envelope. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	err := w.fail(w.finish())
	w.err = errClosed
	w.release()
	clear(w.chunk[:cap(w.chunk)])
	return err
}

func (w *Writer) finish() error {
	if w.grant != nil {
		return w.flush(true)
	}
	out, err := w.s.Seal(w.ctx, w.out[:0], w.chunk, &w.b, Position{})
	if err != nil {
		return err
	}
	_, err = w.w.Write(out)
	return err
}

func (w *Writer) fail(err error) error {
	if err != nil {
		w.err = err
		w.release()
	}
	return err
}

// release ends the use of the DEK.
func (w *Writer) release() {
	if w.grant != nil {
		w.grant.Done()
	}
}

// flush seals the chunk.
func (w *Writer) flush(final bool) (err error) {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.out = w.out[:0]
	if w.grant == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.bytes += uint64(len(w.chunk))
	if w.bytes > maxStreamBytes || w.index == math.MaxUint32>>1 {
		return &Error{Reason: ReasonTooLarge, Err: errTooLong}
	}
	if w.out, err = w.s.appendChunk(w.out, w.chunk, w.grant.Sealer, &w.b, w.index, final); err != nil {
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

// begin takes a key, and appends the key record, unless that is in a store, and the head.
func (w *Writer) begin() error {
	grant, err := w.s.keys.StreamKey(w.ctx)
	if err != nil {
		return refuse(err)
	}
	w.grant = grant // from here on release ends it
	if !grant.Key.ByReference {
		record, err := codec{}.SealRecord(grant.Key, grant.Sealer, string(w.s.context), grant.Created)
		if err != nil {
			return err
		}
		w.out = append(w.out, record...)
	}
	t := cms.NewTemplate(true, true, grant.Key.Commitment[:])
	w.out, err = w.s.beginChunked(w.out, t, &Position{Created: grant.Created})
	return err
}

// segmentRoom is the most bytes that one encoded segment of a chunk of n bytes takes.
func segmentRoom(n int) int { return n + chunker.Overhead + cms.BytesHeadSize(n+chunker.Overhead) }
