package route

import (
	"bytes"
	"context"
	"io"

	"github.com/streamcrypt/streamcrypt/envelope"
)

// seal seals the payload: one of several blocks by several workers.
func (c *rawCopy) seal(ctx context.Context, sealer *envelope.Sealer) error {
	if c.workers > 1 && sealer.CanSealBlocks() {
		first := make([]byte, sealer.BlockSize()+1)
		defer clear(first)
		n, err := readFull(c.in, first)
		if err != nil && err != io.EOF {
			return err
		}
		c.in = io.MultiReader(bytes.NewReader(first[:n]), c.in)
		if n == len(first) {
			return c.sealBlocks(ctx, sealer)
		}
	}
	w := sealer.NewWriter(ctx, c.out, envelope.Binding{})
	if _, err := w.ReadFrom(c.in); err != nil {
		return err
	}
	return w.Close()
}

// sealBlocks seals a payload that is longer than a block.
func (c *rawCopy) sealBlocks(ctx context.Context, sealer *envelope.Sealer) error {
	blocks, err := sealer.BeginBlocks(ctx, envelope.Binding{})
	if err != nil {
		return err
	}
	defer blocks.End()
	if _, err := c.out.Write(blocks.Head()); err != nil {
		return err
	}
	payload := &plainBlocks{in: c.in}
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

// plainBlocks divides a payload into blocks.
type plainBlocks struct {
	in    io.Reader
	ahead []byte // the part of the next block that has been read: at most one byte
	one   [1]byte
	next  int64 // number of the next block
	ended bool
}

// readBlock fills block, unless it is the final one. io.EOF says that there is
// none.
func (p *plainBlocks) readBlock(block []byte) (n int, number int64, final bool, err error) {
	if p.ended {
		return 0, 0, false, io.EOF
	}
	n = copy(block, p.ahead)
	got, err := readFull(p.in, block[n:])
	n += got
	if err == nil { // is it the final one?
		got, err = readFull(p.in, p.one[:])
		p.ahead = p.one[:got]
	}
	if err != nil && err != io.EOF {
		return 0, 0, false, err
	}
	number, final = p.next, err == io.EOF
	p.next, p.ended = number+1, final
	return n, number, final, nil
}

// rawSealer is a blockWorker that seals.
type rawSealer struct {
	worker  *envelope.SealBlocksWorker
	payload *plainBlocks
	plain   []byte
	number  int64
	final   bool
	out     []byte
}

func (s *rawSealer) readBlock() (err error) {
	var n int
	n, s.number, s.final, err = s.payload.readBlock(s.plain[:cap(s.plain)])
	s.plain = s.plain[:n]
	return err
}

func (s *rawSealer) makeOutput() (out []byte, err error) {
	s.out, err = s.worker.Seal(s.out[:0], s.plain, s.number, s.final)
	return s.out, err
}

// readFull reads until p is full. Unlike io.ReadFull it tells the source's end,
// a bare io.EOF, from a source that broke off, which may call that
// io.ErrUnexpectedEOF.
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
