package envelope

import (
	"context"
	"io"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// Reader opens a payload of any length while it is read. It hands out only
// bytes of chunks that have verified, and io.EOF only after the final chunk
// has. After an error in the middle, the bytes that were read before are a
// verified beginning of the payload and no more. A Reader is for one goroutine.
type Reader struct {
	ctx context.Context //nolint:containedctx // an io.Reader has no other way to hear of its end
	o   *Opener
	in  input
	b   Binding // ours alone

	bound *cms.Binding // of b
	aad   *cms.AAD
	key   *chunker.OpeningKey // nil until the head was read
	size  int                 // of a chunk
	index uint32

	at     int64 // how much of the input has been taken; with a tail only
	tailAt int64 // where the segments' break must stand, if tail
	tail   bool  // recipients follow the segments; they have been read already

	final  bool   // the final chunk has verified
	ready  []byte // verified payload not handed out yet; aliases in
	opened bool
	base   int64 // where the envelope begins in the input, if that has such places
	last   int64 // and where it ends; otherwise 0
	err    error
}

// NewReader returns a Reader of the raw form of docs/envelope.md, section 9.
// Its memory is a chunk and a little more, with one exception: a long
// self-contained envelope that Seal made has its recipients at the end. If r is
// an io.ReaderAt and io.Seeker they are read first; otherwise such an envelope
// is held in memory, up to MaxBuffered bytes.
func (o *Opener) NewReader(ctx context.Context, r io.Reader, b Binding) *Reader {
	return &Reader{ctx: ctx, o: o, in: input{r: r}, b: copyBinding(b), aad: cms.NewAAD([]byte(o.context))}
}

// MaxBuffered is the largest long self-contained envelope that is read where
// its end cannot be read first, in bytes.
const MaxBuffered = 16 << 20

// Read hands out verified bytes.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.ready) == 0 {
		if err := r.makeReady(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// WriteTo writes all chunks to w, each as soon as it has verified. io.Copy uses
// it.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if len(r.ready) == 0 {
			if err := r.makeReady(); err == io.EOF {
				return n, nil
			} else if err != nil {
				return n, err
			}
		}
		written, err := w.Write(r.ready)
		n += int64(written)
		r.ready = r.ready[written:]
		if err != nil {
			return n, err
		}
	}
}

// makeReady makes at least one verified byte ready, or returns io.EOF or the
// error that ends the payload.
func (r *Reader) makeReady() error {
	for r.err == nil && len(r.ready) == 0 {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		switch {
		case !r.opened:
			r.err = r.open()
			r.opened = true
		case r.final:
			r.err = io.EOF
		default:
			r.err = r.openSegment()
		}
	}
	if len(r.ready) > 0 {
		return nil
	}
	return r.err
}

// openSegment reads, verifies and makes ready one segment.
func (r *Reader) openSegment() error {
	p, err := r.in.readSegment(r.size, r.index)
	switch {
	case err != nil:
		return err
	case p.final && p.tail != r.tail, p.final && r.tail && r.at+int64(len(p.b)) != r.tailAt:
		return refuse(errTrailing)
	}
	segment := p.b[p.head:]
	iv, ciphertext := segment[:chunker.IVSize], segment[chunker.IVSize:]
	plain, err := r.key.Open(ciphertext[:0], iv, ciphertext, r.aad.Bytes(r.bound, r.index, p.final))
	if err != nil {
		return tamperedError(r.index, true)
	}
	r.in.skip(len(p.b))
	r.at += int64(len(p.b))
	r.index++
	r.final = p.final
	r.ready = plain
	return nil
}
