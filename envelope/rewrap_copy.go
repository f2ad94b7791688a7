package envelope

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Copy reads one payload in any of the raw forms of docs/envelope.md, section
// 9, and writes it rewrapped. It needs no more memory than a chunk and a
// little, on a pipe too. The output is complete only if the error is nil.
func (r *Rewrapper) Copy(ctx context.Context, w io.Writer, from io.Reader) (RewrapCounts, error) {
	c := &rewrapCopy{worker: r.NewWorker(), ctx: ctx, w: w, in: input{r: from}}
	err := c.copy()
	return c.worker.counts, err
}

// rewrapCopy is one call of Copy.
type rewrapCopy struct {
	worker *RewrapWorker
	ctx    context.Context //nolint:containedctx // it lasts as long as the call
	w      io.Writer
	in     input
}

func (c *rewrapCopy) copy() error {
	h, n, err := c.in.readHead()
	switch {
	case err != nil:
		return err
	case h.Chunked:
		return c.copyChunked(h, n)
	case h.ByReference:
		return c.copyWhole()
	}
	return c.copyFirst(n)
}

// copyWhole rewraps an envelope in the single form to which nothing is added.
func (c *rewrapCopy) copyWhole() error {
	b, ok, err := c.in.readAll(maxSingle)
	switch {
	case err != nil:
		return err
	case !ok:
		return refuse(errTrailing)
	}
	return c.writeRewrapped(b)
}

// writeRewrapped writes an envelope rewrapped.
func (c *rewrapCopy) writeRewrapped(e []byte) error {
	out, err := c.worker.Rewrap(c.ctx, nil, e)
	if err != nil {
		return err
	}
	_, err = c.w.Write(out)
	return err
}

// copyFirst copies a self-contained envelope in the single form with a head of
// n bytes: all there is, or a key record and the envelope behind it.
func (c *rewrapCopy) copyFirst(n int) error {
	record, err := c.in.readRecord(n)
	switch {
	case err != nil:
		return err
	case record == nil:
		return c.copyWhole()
	}
	sealed, err := codec{}.SplitRecord(record)
	if err != nil {
		return refuse(err)
	}
	h, n, err := c.in.readHead()
	switch {
	case err != nil:
		return err
	case !h.ByReference || !h.Chunked:
		return refuse(errRecordAlone)
	case !bytes.Equal(h.KID, sealed.Commitment[:cms.KIDSize]):
		return refuse(kekcache.ErrWrongKey)
	}
	created := h.Position.Created
	out, err := c.worker.Rewrap(c.ctx, nil, record)
	if err == nil && !c.worker.recent[0].valid.Covers(created) {
		err = refuse(errOutOfTime)
	}
	if err != nil {
		return err
	}
	if _, err := c.w.Write(out); err != nil {
		return err
	}
	return c.copySegments(h, n)
}

// copyChunked copies an envelope in the chunked form that stands alone.
func (c *rewrapCopy) copyChunked(h *cms.Header, n int) error {
	if h.ByReference {
		to, _, err := c.worker.rewrapKey(c.ctx, h, nil)
		if err != nil {
			return refuse(err)
		}
		c.worker.counts.add(to)
		return c.copySegments(h, n)
	}
	head := *h // the input's buffer moves on
	head.Commitment, head.Signature = bytes.Clone(h.Commitment), bytes.Clone(h.Signature)
	if err := c.copySegments(h, n); err != nil {
		return err
	}
	encoded, ok, err := c.in.readAll(cms.MaxRecipientSize)
	switch {
	case err != nil:
		return err
	case !ok:
		return refuse(fmt.Errorf("%w: recipients", cms.ErrTooLarge))
	}
	to, _, err := c.worker.rewrapKey(c.ctx, &head, encoded)
	if err != nil {
		return refuse(err)
	}
	c.worker.counts.add(to)
	_, err = c.w.Write(to.Recipients)
	return err
}

// copySegments copies a head of n bytes, all segments, and the break. Only the
// recipients of a self-contained envelope may follow.
func (c *rewrapCopy) copySegments(h *cms.Header, n int) error {
	byReference, size := h.ByReference, h.ChunkSize
	b, err := c.in.peek(n)
	if err != nil {
		return err
	}
	if err := c.passOn(b[:n]); err != nil {
		return err
	}
	for index := uint32(0); ; index++ {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		p, err := c.in.readSegment(size, index)
		switch {
		case err != nil:
			return err
		case p.final && p.tail && byReference:
			return refuse(errTrailing)
		case p.final:
			return c.passOn(p.b[:len(p.b)+1]) // with the break
		}
		if err := c.passOn(p.b); err != nil {
			return err
		}
	}
}

// passOn writes b, the front of the input, and skips it.
func (c *rewrapCopy) passOn(b []byte) error {
	if _, err := c.w.Write(b); err != nil {
		return err
	}
	c.in.skip(len(b))
	return nil
}
