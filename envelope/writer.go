package envelope

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// errClosed is the error of Write after Close.
var errClosed = errors.New("envelope: write after close")

// maxStreamBytes is the most payload of one stream (docs/envelope.md, section
// 11).
const maxStreamBytes = 1 << 40

// Writer seals a payload of any length while it is written. It holds one chunk
// in memory. Close must be called, and the output is complete only if Close
// returns nil. A Writer is for one goroutine.
type Writer struct {
	ctx context.Context //nolint:containedctx // an io.Writer has no other way to hear of its end
	s   *Sealer
	w   io.Writer
	b   Binding // ours alone

	chunk []byte // payload not sealed yet; a full chunk waits until more comes, for it may be the last
	out   []byte
	grant *kekcache.Grant // nil until the first chunk is sealed
	aad   *cms.AAD        // from then on
	bound *cms.Binding
	index uint32
	bytes uint64
	err   error
}

// NewWriter returns a Writer of the raw form of docs/envelope.md, section 9:
// one envelope, and before a long self-contained one its key record. A long
// payload has a data key of its own, so the Limits do not apply to it; those of
// the format do.
func (s *Sealer) NewWriter(ctx context.Context, w io.Writer, b Binding) *Writer {
	return &Writer{ctx: ctx, s: s, w: w, b: copyBinding(b), chunk: make([]byte, 0, s.options.ChunkSize)}
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
	w.releaseKey()
	clear(w.chunk[:cap(w.chunk)])
	return err
}

// finish seals the last chunk, which may be all there is.
func (w *Writer) finish() error {
	if w.grant != nil {
		return w.sealChunk(true)
	}
	out, err := w.s.Seal(w.ctx, w.out[:0], w.chunk, w.b)
	if err != nil {
		return err
	}
	_, err = w.w.Write(out)
	return err
}

func (w *Writer) noteError(err error) error {
	if err != nil {
		w.err = err
		w.releaseKey()
	}
	return err
}

// releaseKey ends the use of the data key.
func (w *Writer) releaseKey() {
	if w.grant != nil {
		w.grant.Done()
	}
}

// sealChunk seals and writes the chunk.
func (w *Writer) sealChunk(final bool) (err error) {
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
	if w.out, err = appendSegment(w.out, w.chunk, w.grant.Sealer, w.aad.Bytes(w.bound, w.index, final)); err != nil {
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

// begin takes a data key, and appends the key record, unless that is in a
// store, and the head.
func (w *Writer) begin() error {
	var err error
	if w.bound, err = convertBinding(&w.b); err != nil {
		return err
	}
	grant, err := w.s.supply.StreamKey(w.ctx)
	if err != nil {
		return refuse(err)
	}
	w.grant = grant // from here on releaseKey ends it
	if !grant.Key.ByReference {
		record, err := codec{}.SealRecord(grant.Key, grant.Sealer, w.s.options.Context, grant.Created)
		if err != nil {
			return err
		}
		w.out = append(w.out, record...)
	}
	t := cms.NewTemplate(true, true, grant.Key.Commitment[:])
	w.aad = cms.NewAAD([]byte(w.s.options.Context))
	var id [cms.MessageIDSize]byte
	w.out, err = appendChunkedHead(w.out, t, w.aad, &cms.Position{Created: grant.Created}, &id, w.s.options.ChunkSize)
	return err
}
