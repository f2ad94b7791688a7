package envelope

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Copy reads one payload in any of the raw forms of docs/envelope.md, section 9, and writes it rewrapped. It needs no more memory
// than a chunk and a little, on a pipe too. What was written when it returns an error is not complete.
func (r *Rewrapper) Copy(ctx context.Context, w io.Writer, from io.Reader) error {
	c := &rewrapCopy{r: r, ctx: ctx, w: w, in: input{r: from}}
	h, n, err := c.in.head()
	switch {
	case err != nil:
		return err
	case h.Chunked:
		return c.chunked(h, n)
	case h.ByReference:
		return c.whole()
	}
	return c.first(n)
}

// rewrapCopy is one call of Copy.
type rewrapCopy struct {
	r   *Rewrapper
	ctx context.Context //nolint:containedctx // it lasts as long as the call
	w   io.Writer
	in  input
}

// whole rewraps an envelope in the single form to which nothing is added.
func (c *rewrapCopy) whole() error {
	b, ok, err := c.in.all(maxSingle)
	switch {
	case err != nil:
		return err
	case !ok:
		return refuse(fmt.Errorf("%w: bytes after the envelope", cms.ErrMalformed))
	}
	return c.write(b)
}

// write writes an envelope rewrapped.
func (c *rewrapCopy) write(e []byte) error {
	out, err := c.r.Rewrap(c.ctx, nil, e)
	if err != nil {
		return err
	}
	_, err = c.w.Write(out)
	return err
}

// first copies a self-contained envelope in the single form, whose head has n bytes: all there is, or a key record and the envelope
// behind it.
func (c *rewrapCopy) first(n int) error {
	record, err := c.in.recordInFront(n)
	switch {
	case err != nil:
		return err
	case record == nil:
		return c.whole()
	}
	commitment, _, err := codec{}.SplitRecord(record)
	if err != nil {
		return refuse(err)
	}
	h, n, err := c.in.head()
	switch {
	case err != nil:
		return err
	case !h.ByReference || !h.Chunked:
		return refuse(errRecordAlone)
	case !bytes.Equal(h.KID, commitment[:cms.KIDSize]):
		return refuse(kekcache.ErrWrongKey)
	}
	if err := c.write(record); err != nil {
		return err
	}
	return c.segments(h, n)
}

// chunked copies an envelope in the chunked form that stands alone.
func (c *rewrapCopy) chunked(h *cms.Header, n int) error {
	if h.ByReference {
		to, err := c.r.keys.Record(c.ctx, h.KID)
		if err != nil {
			return refuse(err)
		}
		c.r.count(to)
		return c.segments(h, n)
	}
	commitment := bytes.Clone(h.Commitment) // the input's buffer moves on
	if err := c.segments(h, n); err != nil {
		return err
	}
	encoded, ok, err := c.in.all(cms.MaxRecipientSize)
	switch {
	case err != nil:
		return err
	case !ok:
		return refuse(fmt.Errorf("%w: recipients", cms.ErrTooLarge))
	}
	to, err := c.r.keys.Recipients(c.ctx, commitment, encoded)
	if err != nil {
		return refuse(err)
	}
	c.r.count(to)
	_, err = c.w.Write(to.Recipients)
	return err
}

// segments copies a head of n bytes, all segments, and the break. Behind that there is something only if the envelope is
// self-contained.
func (c *rewrapCopy) segments(h *cms.Header, n int) error {
	byReference, size := h.ByReference, h.ChunkSize
	b, err := c.in.peek(n)
	if err != nil {
		return err
	}
	if err := c.pass(b[:n]); err != nil {
		return err
	}
	for index := uint32(0); ; index++ {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		p, err := c.in.segment(size, index)
		switch {
		case err != nil:
			return err
		case p.final && p.tail && byReference:
			return refuse(fmt.Errorf("%w: bytes after the envelope", cms.ErrMalformed))
		case p.final:
			return c.pass(p.b[:len(p.b)+1]) // with the break
		}
		if err := c.pass(p.b); err != nil {
			return err
		}
	}
}

// pass writes what stands at the front of the input, and skips it.
func (c *rewrapCopy) pass(b []byte) error {
	if _, err := c.w.Write(b); err != nil {
		return err
	}
	c.in.skip(len(b))
	return nil
}
