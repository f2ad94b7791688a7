package batch

import (
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/pierrec/lz4/v4"
)

// The parts of an LZ4 frame: doc/lz4_Frame_format.md of
// https://github.com/lz4/lz4, version 1.6.4.
const (
	lz4Magic           = 0x184D2204
	lz4Version         = 0x40
	lz4VersionMask     = 0xC0
	lz4Independent     = 0x20
	lz4BlockChecksum   = 0x10
	lz4ContentSize     = 0x08
	lz4ContentChecksum = 0x04
	lz4Reserved        = 0x03 // a reserved bit, and dictionaries, which Kafka has none of
	lz4Plain           = 1 << 31

	lz4MaxBlock = 4 << 20
	lz4Window   = 64 << 10 // how far a block may reach back into the blocks before it
)

// lz4Frames takes lz4 apart. It implements blockSource.
//
// The library's own reader of frames is not used: it takes three buffers of the
// largest block, 12 MiB for the usual 4 MiB, from pools that each collection
// empties. Here the compressed bytes stay in the batch and there is one buffer,
// which is kept.
type lz4Frames struct {
	codecs  *Codecs
	rest    []byte // that nextBlock has not seen
	inside  bool   // a frame
	flags   byte
	most    int    // bytes of a block
	size    uint64 // that the frame says it inflates to
	seen    uint64 // that it has inflated to so far
	sum     xxh32
	window  []byte // the end of the frame so far, if blocks may reach back
	scratch []byte // memory of window
}

func (f *lz4Frames) beginBody(c *Codecs, body []byte) {
	*f = lz4Frames{codecs: c, rest: body, scratch: f.scratch}
}

// nextBlock implements blockSource.
func (f *lz4Frames) nextBlock() ([]byte, error) {
	for {
		if !f.inside {
			if len(f.rest) == 0 {
				return nil, io.EOF
			}
			if err := f.beginFrame(); err != nil {
				return nil, err
			}
			continue
		}
		head, err := f.cutBytes(4)
		if err != nil {
			return nil, err
		}
		n := binary.LittleEndian.Uint32(head)
		if n != 0 {
			return f.readBlock(int(n&^lz4Plain), n&lz4Plain != 0)
		}
		if err := f.endFrame(); err != nil {
			return nil, err
		}
	}
}

// cutBytes cuts off the next n bytes.
func (f *lz4Frames) cutBytes(n int) ([]byte, error) {
	if n > len(f.rest) {
		return nil, corrupt(LZ4)
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b, nil
}

// beginFrame reads the header of a frame, or steps over a frame that has
// something else than blocks.
func (f *lz4Frames) beginFrame() error {
	head, err := f.cutBytes(4)
	if err != nil {
		return err
	}
	magic := binary.LittleEndian.Uint32(head)
	if magic&^0xF == skippable {
		if head, err = f.cutBytes(4); err != nil {
			return err
		}
		_, err = f.cutBytes(int(binary.LittleEndian.Uint32(head)))
		return err
	}
	if magic != lz4Magic || len(f.rest) < 2 {
		return corrupt(LZ4)
	}
	n, flags, class := 2, f.rest[0], f.rest[1]>>4
	if flags&lz4ContentSize != 0 {
		n += 8
	}
	head, err = f.cutBytes(n + 1)
	if err != nil || head[n] != byte(sumXXH32(head[:n])>>8) ||
		flags&(lz4VersionMask|lz4Reserved) != lz4Version || class < 4 || class > 7 || head[1]&0xF != 0 {
		return corrupt(LZ4)
	}
	f.inside, f.flags, f.most = true, flags, 1<<(8+2*class)
	f.size, f.seen, f.sum, f.window = 0, 0, newXXH32(), f.scratch[:0]
	if n > 2 {
		f.size = binary.LittleEndian.Uint64(head[2:])
	}
	return nil
}

// endFrame checks the checksum and the size of the whole frame.
func (f *lz4Frames) endFrame() error {
	if f.flags&lz4ContentChecksum != 0 {
		sum, err := f.cutBytes(4)
		if err != nil || binary.LittleEndian.Uint32(sum) != f.sum.readSum() {
			return corrupt(LZ4)
		}
	}
	if f.flags&lz4ContentSize != 0 && f.size != f.seen {
		return corrupt(LZ4)
	}
	f.inside = false
	return nil
}

// readBlock decodes the next block, of n bytes as it is stored.
func (f *lz4Frames) readBlock(n int, plain bool) ([]byte, error) {
	block, err := f.cutBytes(n)
	if err != nil {
		return nil, err
	}
	if f.flags&lz4BlockChecksum != 0 {
		sum, err := f.cutBytes(4)
		if err != nil || binary.LittleEndian.Uint32(sum) != sumXXH32(block) {
			return nil, corrupt(LZ4)
		}
	}
	if n > f.most {
		return nil, corrupt(LZ4)
	}
	if !plain {
		if err := f.codecs.reserveBlock(LZ4, uint64(f.boundBlock(n))); err != nil {
			return nil, err
		}
		out := f.codecs.block
		if n, err = lz4.UncompressBlockWithDict(block, out[:min(f.most, len(out))], f.window); err != nil {
			return nil, err
		}
		block = out[:n]
	}
	f.seen += uint64(len(block))
	if f.flags&lz4ContentChecksum != 0 {
		f.sum.addBytes(block)
	}
	if f.flags&lz4Independent == 0 {
		f.keepWindow(block)
	}
	return block, nil
}

// boundBlock returns how many bytes n compressed ones can inflate to, rounded
// up to a power of two. One byte stands for at most 255, so that few bytes take
// little memory, however large the frame says that its blocks may be.
func (f *lz4Frames) boundBlock(n int) int {
	bound := uint(n)*255 + 64
	return min(f.most, 1<<bits.Len(bound))
}

// keepWindow copies the end of the frame so far.
func (f *lz4Frames) keepWindow(block []byte) {
	if f.scratch == nil {
		f.scratch = make([]byte, 0, lz4Window)
	}
	keep := min(len(f.window), max(0, lz4Window-len(block)))
	window := f.scratch[:keep]
	copy(window, f.window[len(f.window)-keep:])
	f.window = append(window, block[max(0, len(block)-lz4Window):]...)
}
