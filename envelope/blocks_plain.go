package envelope

import (
	"bytes"
	"io"
)

// PlainBlocks divides a payload into blocks for the workers of SealBlocks.
// NextBlock is called by one worker at a time.
type PlainBlocks struct {
	in    io.Reader
	ahead []byte // read, and not given away yet; in memory
	next  int64  // number of the next block
	ended bool

	memory []byte
}

// NewPlainBlocks returns the blocks of a payload for s.
func (s *Sealer) NewPlainBlocks(payload io.Reader) *PlainBlocks {
	return &PlainBlocks{in: payload, memory: make([]byte, s.BlockSize()+1)}
}

// AreSeveral reads the first block, and tells whether another one follows. It
// is called before NextBlock.
func (p *PlainBlocks) AreSeveral() (bool, error) {
	n, err := readFull(p.in, p.memory)
	if err != nil && err != io.EOF {
		return false, err
	}
	p.ahead = p.memory[:n]
	return n == len(p.memory), nil
}

// Rest is the whole payload behind a call of AreSeveral, for Writer.
func (p *PlainBlocks) Rest() io.Reader { return io.MultiReader(bytes.NewReader(p.ahead), p.in) }

// NextBlock fills block, which has BlockSize bytes, unless it is the final one.
// It returns its size and number. io.EOF says that there is none.
func (p *PlainBlocks) NextBlock(block []byte) (n int, number int64, final bool, err error) {
	if p.ended {
		return 0, 0, false, io.EOF
	}
	n = copy(block, p.ahead)
	p.ahead = p.ahead[n:]
	got, err := readFull(p.in, block[n:])
	n += got
	if err == nil && len(p.ahead) == 0 { // is it the final one?
		got, err = readFull(p.in, p.memory[:1])
		p.ahead = p.memory[:got]
	}
	if err != nil && err != io.EOF {
		return 0, 0, false, err
	}
	number, final = p.next, err == io.EOF
	p.next, p.ended = number+1, final
	return n, number, final, nil
}

// Clear clears the memory, which had plaintext, after all workers have ended.
func (p *PlainBlocks) Clear() { clear(p.memory) }
