package route

import (
	"context"

	"github.com/streamcrypt/streamcrypt/envelope"
)

// open opens the envelope: a payload of several blocks by several workers. The
// output gets nothing that has not verified.
func (c *rawCopy) open(ctx context.Context, opener *envelope.Opener) error {
	reader := opener.NewReader(ctx, c.in, envelope.Binding{})
	if c.workers == 1 {
		_, err := reader.WriteTo(c.out)
		return err
	}
	first, ok, err := reader.BeginBlocks()
	switch {
	case err != nil:
		return err
	case !ok:
		_, err := reader.WriteTo(c.out)
		return err
	}
	if _, err := c.out.Write(first); err != nil {
		return err
	}
	all := make([]blockWorker, c.workers)
	for i := range all {
		o := reader.NewBlockOpener()
		plain := make([]byte, 0, o.MaxSize())
		defer func() { clear(plain[:cap(plain)]) }()
		all[i] = &rawOpener{reader: reader, opener: o, out: plain}
	}
	return c.copyBlocks(ctx, all)
}

// rawOpener is a blockWorker that opens.
type rawOpener struct {
	reader *envelope.Reader
	opener *envelope.BlockOpener
	block  envelope.SealedBlock
	out    []byte
}

func (o *rawOpener) readBlock() error { return o.reader.NextBlock(&o.block) }

func (o *rawOpener) makeOutput() (out []byte, err error) {
	o.out, err = o.opener.Open(o.out[:0], &o.block)
	return o.out, err
}
