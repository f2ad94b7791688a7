package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

func unknownCodec(c Compression) error { return fmt.Errorf("%w: unknown %s", ErrCompression, c) }

// inspect refuses compressed bytes that would have their codec allocate more
// than piece at once: snappy blocks and zstd windows are as large as the input
// says they are, whatever it holds. gzip needs 32 KiB and lz4 8 MiB at most.
func inspect(c Compression, b []byte, piece int) error {
	switch c {
	case Snappy:
		return inspectSnappy(b, piece)
	case Zstd:
		return inspectZstd(b, piece)
	case Gzip, LZ4:
		return nil
	default:
		return unknownCodec(c)
	}
}

// xerial is the magic of the framing that Java clients put around snappy
// blocks: 16 bytes of header, then blocks of a 4-byte length each. Other
// clients write one bare block.
var xerial = []byte("\x82SNAPPY\x00")

const xerialHeader = 16

func inspectSnappy(b []byte, piece int) error {
	if len(b) < xerialHeader || !bytes.HasPrefix(b, xerial) {
		return inspectBlock(b, piece)
	}
	for b = b[xerialHeader:]; len(b) > 0; {
		if len(b) < 4 {
			return corrupt(Snappy)
		}
		n := int64(binary.BigEndian.Uint32(b))
		if b = b[4:]; n > int64(len(b)) {
			return corrupt(Snappy)
		}
		if err := inspectBlock(b[:n], piece); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func inspectBlock(b []byte, piece int) error {
	size, n := binary.Uvarint(b)
	if n <= 0 {
		return corrupt(Snappy)
	}
	return inPiece(Snappy, size, piece)
}

// The parts of a zstd frame that matter here, RFC 8878 section 3.1.
const (
	zstdMagic     = 0xFD2FB528
	skippable     = 0x184D2A50 // and the next 15
	singleSegment = 0x20
	hasChecksum   = 0x04
	blockRLE      = 1
	blockReserved = 3
)

func inspectZstd(b []byte, piece int) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return corrupt(Zstd)
		}
		magic := binary.LittleEndian.Uint32(b)
		if magic&^0xF == skippable {
			n := int64(binary.LittleEndian.Uint32(b[4:])) + 8
			if n > int64(len(b)) {
				return corrupt(Zstd)
			}
			b = b[n:]
			continue
		}
		if magic != zstdMagic {
			return corrupt(Zstd)
		}
		rest, err := inspectFrame(b[4:], piece)
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// inspectFrame checks the window of the frame behind its magic and returns what
// follows the frame.
func inspectFrame(b []byte, piece int) ([]byte, error) {
	descriptor := b[0]
	size := [4]int{0, 2, 4, 8}[descriptor>>6] // of the content size
	header := 1 + [4]int{0, 1, 2, 4}[descriptor&3]
	if descriptor&singleSegment == 0 {
		header++
	} else if size == 0 {
		size = 1
	}
	if len(b) < header+size {
		return nil, corrupt(Zstd)
	}
	window := uint64(0)
	if descriptor&singleSegment == 0 {
		base := uint64(1) << (10 + b[1]>>3)
		window = base + base/8*uint64(b[1]&7)
	} else {
		for i := size - 1; i >= 0; i-- {
			window = window<<8 | uint64(b[header+i])
		}
	}
	if err := inPiece(Zstd, window, piece); err != nil {
		return nil, err
	}
	b, ok := skipBlocks(b[header+size:])
	if descriptor&hasChecksum != 0 && ok {
		if ok = len(b) >= 4; ok {
			b = b[4:]
		}
	}
	if !ok {
		return nil, corrupt(Zstd)
	}
	return b, nil
}

func skipBlocks(b []byte) (rest []byte, ok bool) {
	for len(b) >= 3 {
		header := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last, kind, n := header&1 != 0, header>>1&3, int(header>>3)
		if kind == blockRLE {
			n = 1
		}
		b = b[3:]
		if kind == blockReserved || len(b) < n {
			return nil, false
		}
		b = b[n:]
		if last {
			return b, true
		}
	}
	return nil, false
}

func corrupt(c Compression) error { return fmt.Errorf("%w: corrupt %s", ErrCompression, c) }

func inPiece(c Compression, n uint64, piece int) error {
	if n > uint64(piece) {
		return fmt.Errorf("%w: %s wants %d bytes at once", ErrTooLarge, c, n)
	}
	return nil
}
