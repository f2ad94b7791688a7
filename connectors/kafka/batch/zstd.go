package batch

import (
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The parts of a zstd frame that matter here, RFC 8878 section 3.1.
const (
	zstdMagic       = 0xFD2FB528
	skippable       = 0x184D2A50 // and the next 15
	singleSegment   = 0x20
	hasChecksum     = 0x04
	blockRLE        = 1
	blockCompressed = 2
	blockReserved   = 3
	zstdMaxBlock    = 128 << 10 // decoded
)

// zstdNeed is the memory that some frames take, in bytes.
type zstdNeed struct {
	content uint64 // an upper bound of the inflated size of all of them
	window  uint64 // the largest window
}

// streaming returns the memory of a decoder that inflates the frames as a
// stream: it keeps the window and two blocks.
func (n zstdNeed) streaming() uint64 { return n.window + 2*zstdMaxBlock + 1<<10 }

// atOnce returns the memory for the inflated frames, and one block more,
// without which the decoder is slow at the end.
func (n zstdNeed) atOnce() uint64 { return n.content + zstdMaxBlock + 1<<10 }

// openZstd inflates the frames as a stream or at once, in the way that takes
// less memory: many clients announce a window that is far larger than the
// batch.
func (c *Codecs) openZstd(body []byte) (io.Reader, error) {
	need, err := inspectZstd(body)
	if err != nil {
		return nil, err
	}
	if need.atOnce() > need.streaming() {
		if err := c.reserveWindow(need.streaming()); err != nil {
			return nil, err
		}
		c.makeZstd()
		c.source.Reset(body)
		return c.zstd, c.zstd.Reset(&c.source)
	}
	if err := c.reserveBlock(Zstd, need.atOnce()); err != nil {
		return nil, err
	}
	c.makeZstd()
	content, err := c.zstd.DecodeAll(body, c.block[:0])
	if err != nil {
		return nil, err
	}
	c.blocks = blockReader{left: content}
	return &c.blocks, nil
}

// makeZstd makes the decoder, unless there is one. The decoder need not bound
// memory: no frame gets to it before its need is known and reserved.
func (c *Codecs) makeZstd() {
	if c.zstd != nil {
		return
	}
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), // no goroutine
		zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true), // never beyond the block that is reserved
	)
	if err != nil {
		panic("batch: internal error: " + err.Error()) // the options are constant
	}
	c.zstd = d
}

// inspectZstd checks that b is frames one after the other, and adds up their
// needs.
func inspectZstd(b []byte) (need zstdNeed, err error) {
	for len(b) > 0 {
		if len(b) < 8 {
			return need, corrupt(Zstd)
		}
		magic := binary.LittleEndian.Uint32(b)
		if magic&^0xF == skippable {
			n := int64(binary.LittleEndian.Uint32(b[4:])) + 8
			if n > int64(len(b)) {
				return need, corrupt(Zstd)
			}
			b = b[n:]
			continue
		}
		if magic != zstdMagic {
			return need, corrupt(Zstd)
		}
		frame, rest, err := inspectFrame(b[4:])
		if err != nil {
			return need, err
		}
		b = rest
		need.content += frame.content
		need.window = max(need.window, frame.window)
	}
	return need, nil
}

// inspectFrame finds the need of the frame behind its magic, and returns the
// bytes behind the frame.
func inspectFrame(b []byte) (need zstdNeed, rest []byte, err error) {
	descriptor := b[0]
	size := [4]int{0, 2, 4, 8}[descriptor>>6] // of the content size
	header := 1 + [4]int{0, 1, 2, 4}[descriptor&3]
	if descriptor&singleSegment == 0 {
		header++
	} else if size == 0 {
		size = 1
	}
	if len(b) < header+size {
		return need, nil, corrupt(Zstd)
	}
	content := uint64(0)
	for i := size - 1; i >= 0; i-- {
		content = content<<8 | uint64(b[header+i])
	}
	if size == 2 {
		content += 256
	}
	if descriptor&singleSegment == 0 {
		base := uint64(1) << (10 + b[1]>>3)
		need.window = base + base/8*uint64(b[1]&7)
	} else {
		need.window = content
	}
	bound, b, ok := skipBlocks(b[header+size:])
	if descriptor&hasChecksum != 0 && ok {
		if ok = len(b) >= 4; ok {
			b = b[4:]
		}
	}
	if !ok {
		return need, nil, corrupt(Zstd)
	}
	need.content = bound
	if size > 0 {
		need.content = min(bound, content)
	}
	return need, b, nil
}

// skipBlocks walks over the blocks of a frame, and adds up the most that they
// can inflate to.
func skipBlocks(b []byte) (bound uint64, rest []byte, ok bool) {
	for len(b) >= 3 {
		header := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last, kind, n := header&1 != 0, header>>1&3, int(header>>3)
		inflated := uint64(n) // of a raw one, and of one byte that repeats
		switch kind {
		case blockRLE:
			n = 1
		case blockReserved:
			return 0, nil, false
		case blockCompressed:
			inflated = zstdMaxBlock
		}
		b = b[3:]
		if len(b) < n {
			return 0, nil, false
		}
		b, bound = b[n:], bound+inflated
		if last {
			return bound, b, true
		}
	}
	return 0, nil, false
}
