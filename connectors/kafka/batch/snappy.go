package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
)

// xerial is the magic of the framing that Java clients put around snappy
// blocks: 16 bytes of header, then blocks of a 4-byte length each. Other
// clients write one bare block.
var xerial = []byte("\x82SNAPPY\x00")

const xerialHeader = 16

// snappyBlocks takes snappy apart. It implements blockSource.
type snappyBlocks struct {
	codecs *Codecs
	rest   []byte // that nextBlock has not seen
	framed bool
}

// openSnappy checks all sizes before the first block is decoded: a block is as
// large as it says of itself, so one buffer of the largest size is reserved.
func (c *Codecs) openSnappy(body []byte) (io.Reader, error) {
	s := snappyBlocks{codecs: c, rest: body}
	if len(body) >= xerialHeader && bytes.HasPrefix(body, xerial) {
		s.rest, s.framed = body[xerialHeader:], true
	}
	c.snappy = s
	largest := uint64(0)
	for {
		block, err := s.cutBlock()
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		size, n := binary.Uvarint(block)
		if n <= 0 {
			return nil, corrupt(Snappy)
		}
		largest = max(largest, size)
	}
	if err := c.reserveBlock(Snappy, largest); err != nil {
		return nil, err
	}
	return c.readBlocks(&c.snappy), nil
}

// cutBlock cuts off the next block as it is stored.
func (s *snappyBlocks) cutBlock() (block []byte, err error) {
	if len(s.rest) == 0 {
		return nil, io.EOF
	}
	if !s.framed {
		block, s.rest = s.rest, nil
		return block, nil
	}
	if len(s.rest) < 4 {
		return nil, corrupt(Snappy)
	}
	n := int64(binary.BigEndian.Uint32(s.rest))
	if s.rest = s.rest[4:]; n > int64(len(s.rest)) {
		return nil, corrupt(Snappy)
	}
	block, s.rest = s.rest[:n], s.rest[n:]
	return block, nil
}

// nextBlock implements blockSource.
func (s *snappyBlocks) nextBlock() ([]byte, error) {
	block, err := s.cutBlock()
	if err != nil {
		return nil, err
	}
	return snappy.Decode(s.codecs.block, block)
}

func unknownCodec(c Compression) error { return fmt.Errorf("%w: unknown %s", ErrCompression, c) }

func corrupt(c Compression) error { return fmt.Errorf("%w: corrupt %s", ErrCompression, c) }
