package route

import (
	"context"

	"github.com/streamcrypt/streamcrypt/envelope"
)

// seal seals the payload: one of several blocks by several workers.
func (c *rawCopy) seal(ctx context.Context, sealer *envelope.Sealer) error {
	if c.workers > 1 && sealer.CanSealBlocks() {
		blocks := sealer.NewPlainBlocks(c.in)
		defer blocks.Clear()
		several, err := blocks.AreSeveral()
		switch {
		case err != nil:
			return err
		case several:
			return c.sealBlocks(ctx, sealer, blocks)
		}
		c.in = blocks.Rest()
	}
	w := sealer.NewWriter(ctx, c.out, envelope.Binding{})
	if _, err := w.ReadFrom(c.in); err != nil {
		return err
	}
	return w.Close()
}

// sealBlocks seals a payload that is longer than a block.
func (c *rawCopy) sealBlocks(
	ctx context.Context, sealer *envelope.Sealer, payload *envelope.PlainBlocks,
) error {
	blocks, err := sealer.BeginBlocks(ctx, envelope.Binding{})
	if err != nil {
		return err
	}
	defer blocks.End()
	if _, err := c.out.Write(blocks.Head()); err != nil {
		return err
	}
	all := make([]blockWorker, c.workers)
	for i := range all {
		w, err := blocks.NewWorker()
		if err != nil {
			return err
		}
		plain := make([]byte, 0, sealer.BlockSize())
		defer func() { clear(plain[:cap(plain)]) }()
		all[i] = &rawSealer{worker: w, payload: payload, plain: plain, out: make([]byte, 0, sealer.MaxSealedBlock())}
	}
	return c.copyBlocks(ctx, all)
}

// rawSealer is a blockWorker that seals.
type rawSealer struct {
	worker  *envelope.SealBlocksWorker
	payload *envelope.PlainBlocks
	plain   []byte
	number  int64
	final   bool
	out     []byte
}

func (s *rawSealer) readBlock() (err error) {
	var n int
	n, s.number, s.final, err = s.payload.NextBlock(s.plain[:cap(s.plain)])
	s.plain = s.plain[:n]
	return err
}

func (s *rawSealer) makeOutput() (out []byte, err error) {
	s.out, err = s.worker.Seal(s.out[:0], s.plain, s.number, s.final)
	return s.out, err
}
