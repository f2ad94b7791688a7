package envelope

import (
	"context"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// Reader opens a payload of any length while it is read. It hands out only bytes whose chunk has verified, and io.EOF only
// after the final chunk has. An error in the middle means that what was read before is a verified beginning of the payload
// and no more.
type Reader struct {
	ctx context.Context // an io.Reader has no other way to hear of its end
	o   *Opener
	in  input
	b   Binding

	key    *chunker.OpeningKey // nil until the head was read
	size   int                 // of a chunk
	index  uint32
	at     int64  // how much of the input has been taken; with a tail only
	tailAt int64  // where the segments' break must stand, if tail
	tail   bool   // recipients follow the segments; they have been read already
	final  bool   // the final chunk has verified
	ready  []byte // verified payload not handed out yet; aliases in
	opened bool
	base   int64 // where the envelope begins in what is read, if that has such places
	last   int64 // and where it ends; else 0
	err    error
}

// NewReader returns a Reader of the raw form of docs/envelope.md, section 9, in r. Its memory is a chunk and a little more, with one
// exception: a long self-contained envelope has its recipients at the end. If r is an io.ReaderAt and io.Seeker they are read first; otherwise
// such an envelope is held in memory, up to MaxBuffered bytes. The Opener must not be used for anything else until the Reader is done.
func (o *Opener) NewReader(ctx context.Context, r io.Reader, b *Binding) *Reader {
	return &Reader{ctx: ctx, o: o, in: input{r: r}, b: *b}
}

// MaxBuffered is the largest long self-contained envelope that is read where its end cannot be read first, in bytes.
const MaxBuffered = 16 << 20

// Read hands out verified bytes.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.ready) == 0 {
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// WriteTo writes all chunks to w, each as soon as it has verified. io.Copy uses it.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if len(r.ready) == 0 {
			if err := r.more(); err == io.EOF {
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

// more makes at least one verified byte ready, or returns io.EOF or what is wrong.
func (r *Reader) more() error {
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
			r.err = r.nextSegment()
		}
	}
	if len(r.ready) > 0 {
		return nil
	}
	return r.err
}

// nextSegment reads, verifies and makes ready one segment, and looks one byte ahead: is it the final one?
func (r *Reader) nextSegment() error {
	head, err := r.in.peek(5)
	if err != nil {
		return err
	}
	size, headSize, end, err := cms.SegmentHead(head, r.size)
	switch {
	case err != nil:
		return refuse(err)
	case end: // after a segment that was not sealed as the final one, or after none: fewer than two
		return refuse(fmt.Errorf("%w: segments", cms.ErrMalformed))
	}
	b, err := r.in.peek(headSize + size + 2) // the byte after, and what may not follow the break
	if err != nil {
		return err
	}
	if len(b) < headSize+size {
		return refuse(cms.ErrTruncated)
	}
	segment, next := b[headSize:headSize+size], b[headSize+size:]
	if len(next) == 0 {
		return refuse(cms.ErrTruncated)
	}
	final := next[0] == cms.Break
	switch full := size == cms.SegmentSize(r.size); {
	case !final && !full:
		return refuse(fmt.Errorf("%w: segment %d is not full", cms.ErrMalformed, r.index))
	case final && r.index == 0:
		return refuse(fmt.Errorf("%w: one segment", cms.ErrMalformed))
	case final && (len(next) > 1) != r.tail, final && r.tail && r.at+int64(headSize+size) != r.tailAt:
		return refuse(fmt.Errorf("%w: bytes after the envelope", cms.ErrMalformed))
	}
	iv, ciphertext := segment[:chunker.IVSize], segment[chunker.IVSize:]
	plain, err := r.key.Open(ciphertext[:0], iv, ciphertext, r.o.aad.Bytes(&r.b, r.index, final))
	if err != nil {
		return tampered(r.index, true)
	}
	r.in.skip(headSize + size)
	r.at += int64(headSize + size)
	r.index++
	r.final = final
	r.ready = plain
	return nil
}
