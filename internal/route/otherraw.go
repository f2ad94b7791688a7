package route

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/convert"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// A message of another format is sealed and opened as a whole, so a raw file of
// one is in memory.

// maxOtherRaw is the largest file of a message of another format, in bytes: of
// a payload of convert.MaxPayload in base64, with its recipients.
const maxOtherRaw = convert.MaxPayload/3*4 + 1<<20

// otherRawMemory is the memory of such a route beside the process: the input,
// the payload, the ciphertext and the output.
const otherRawMemory = 2*convert.MaxPayload + 2*maxOtherRaw

// needsWhole tells whether the route reads or writes messages of other formats.
func (p *plan) needsWhole() bool { return p.seals != nil || len(p.opens) > 0 }

// rawMemory is the memory that a raw route takes at least.
func (p *plan) rawMemory() int64 {
	if p.needsWhole() {
		return rawMemory + otherRawMemory
	}
	return rawMemory
}

// openOther is openCopy for such a route.
func (r *raw) openOther(ctx context.Context, p *plan, closers *closers) error {
	r.memory += otherRawMemory
	c := &otherCopy{raw: r, plan: p}
	var err error
	if c.opener, err = p.loadOtherOpener(ctx); err != nil {
		return err
	}
	if p.seals != nil {
		if c.sealer, err = p.loadOtherSealer(ctx); err != nil {
			return err
		}
		closers.add(c.sealer.Close)
	}
	switch {
	case p.do != encrypt:
		c.ownOpener, err = p.loadOpening(ctx)
	case p.seals == nil:
		c.ownSealer, err = p.loadSealing(ctx, false)
		if err == nil {
			closers.add(c.ownSealer.Close)
		}
	}
	r.copy = c.copyPayload
	return err
}

// otherCopy carries one payload.
type otherCopy struct {
	raw       *raw
	plan      *plan
	opener    *convert.Opener  // nil: no other format is read
	sealer    *convert.Sealer  // nil: none is written
	ownOpener *envelope.Opener // nil unless envelopes are read
	ownSealer *envelope.Sealer // nil unless they are written
}

func (c *otherCopy) copyPayload(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx) // a pipe's reader ends with it
	defer stop()
	in := bufio.NewReaderSize(c.raw.in.OpenReader(ctx), rawHead)
	out := &counted{Writer: c.raw.out, n: &c.raw.written}
	switch {
	case c.ownOpener != nil:
		return c.openEnvelope(ctx, out, in)
	case c.opener != nil:
		return c.openOther(ctx, out, in)
	}
	return c.sealOther(ctx, out, in)
}

// openEnvelope opens an envelope, or a message of a format that is accepted. A
// conversion seals the payload in its format.
func (c *otherCopy) openEnvelope(ctx context.Context, out io.Writer, in *bufio.Reader) error {
	head, err := in.Peek(rawHead)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if !envelope.IsEnvelope(head) && c.opener != nil {
		return c.openOther(ctx, out, in)
	}
	reader := c.ownOpener.NewReader(ctx, in, envelope.Binding{})
	if c.sealer == nil {
		_, err := reader.WriteTo(c.plan.pace.paceWriter(ctx, out))
		return err
	}
	if err := c.refuseSame(head, in); err != nil {
		return err
	}
	plain, err := readWhole(reader, convert.MaxPayload)
	defer clear(plain)
	if err != nil {
		return err
	}
	return c.writeSealed(ctx, out, plain)
}

// refuseSame refuses an input that has the format of the output already.
func (c *otherCopy) refuseSame(head []byte, in *bufio.Reader) error {
	if envelope.IsEnvelope(head) {
		return nil
	}
	b, err := readWhole(in, maxOtherRaw)
	switch {
	case err != nil:
		return err
	case c.plan.seals.Codec.Recognizes(b):
		return adviseOnSealed(fmt.Errorf("%s: it is %s already", pipeline.ReasonAlreadySealed, c.plan.seals.Title))
	}
	return &envelope.Error{Reason: envelope.ReasonNotEnvelope, Err: exchange.ErrNotEnvelope}
}

// openOther opens a message of another format. A conversion makes an envelope
// of it. The line break with which an editor or a shell ends a file is not part
// of it.
func (c *otherCopy) openOther(ctx context.Context, out io.Writer, in io.Reader) error {
	b, err := readWhole(in, maxOtherRaw)
	if err != nil {
		return err
	}
	if c.ownSealer != nil && envelope.IsEnvelope(b) {
		return adviseOnSealed(errAlreadySealed)
	}
	if !isBinary(c.plan.opens, b) {
		b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	}
	plain, err := c.opener.NewWorker().Open(ctx, c.raw.name, nil, b)
	defer clear(plain)
	if err != nil {
		return err
	}
	if c.ownSealer != nil {
		copied := rawCopy{in: bytes.NewReader(plain), out: out, workers: 1}
		return copied.seal(ctx, c.ownSealer)
	}
	_, err = c.plan.pace.paceWriter(ctx, out).Write(plain)
	return err
}

// isBinary tells whether b is of a format that is no text.
func isBinary(formats []exchange.Format, b []byte) bool {
	for i := range formats {
		if formats[i].Binary && formats[i].Codec.Recognizes(b) {
			return true
		}
	}
	return false
}

// sealOther seals plaintext in another format.
func (c *otherCopy) sealOther(ctx context.Context, out io.Writer, in io.Reader) error {
	plain, err := readWhole(c.plan.pace.paceReader(ctx, in), convert.MaxPayload)
	defer clear(plain)
	if err != nil {
		return err
	}
	if !c.plan.passes(pipeline.ReasonAlreadySealed) &&
		(envelope.IsEnvelope(plain) || c.plan.seals.Codec.Recognizes(plain)) {
		return adviseOnSealed(errAlreadySealed)
	}
	return c.writeSealed(ctx, out, plain)
}

func (c *otherCopy) writeSealed(ctx context.Context, out io.Writer, plain []byte) error {
	w := c.sealer.NewWorker()
	sealed, err := w.Seal(ctx, nil, plain)
	if err != nil {
		return err
	}
	_, err = out.Write(sealed)
	return err
}

// readWhole reads up to most bytes; more are too-large. Plaintext may be among
// them, also with an error: the caller clears them.
func readWhole(in io.Reader, most int) ([]byte, error) {
	b := make([]byte, 0, 64<<10)
	for {
		if len(b) == cap(b) {
			grown := append(make([]byte, 0, min(2*cap(b), most+1)), b...)
			clear(b)
			b = grown
		}
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > most:
			return b, &envelope.Error{Reason: envelope.ReasonTooLarge,
				Err: fmt.Errorf("%w: more than %d bytes", exchange.ErrTooLarge, most)}
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
}
