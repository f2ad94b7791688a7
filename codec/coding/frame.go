package coding

import (
	"encoding/binary"
	"math"
)

// The library takes several frames, skippable ones, and frames without the id
// of their dictionary as if they were without one. So frames are looked at
// here, without being decoded.

const frameMagic = "\x28\xb5\x2f\xfd"

// unknownSize is the content size of a frame that does not say it.
const unknownSize = math.MaxUint64

// frameHead is the beginning of a frame (RFC 8878, section 3.1.1.1).
type frameHead struct {
	size     int // of the head
	window   uint64
	content  uint64
	checksum bool
	idAt     int // where the id of the dictionary stands, and how long it is
	idSize   int
	id       uint32
}

// maxFrameHead is the size of the longest head.
const maxFrameHead = 4 + 1 + 1 + 4 + 8

// parseFrameHead reads the head of a frame; ok is false if b does not begin
// with a whole one.
func parseFrameHead(b []byte) (h frameHead, ok bool) {
	if len(b) < 6 || string(b[:4]) != frameMagic {
		return h, false
	}
	descriptor := b[4]
	single := descriptor&0x20 != 0
	if descriptor&0x08 != 0 { // reserved
		return h, false
	}
	h.checksum = descriptor&0x04 != 0
	h.idSize = [...]int{0, 1, 2, 4}[descriptor&3]
	contentSize := [...]int{0, 2, 4, 8}[descriptor>>6]
	if contentSize == 0 && single {
		contentSize = 1
	}
	at := 5
	if !single {
		exponent, mantissa := b[at]>>3, uint64(b[at]&7)
		h.window = uint64(1) << (10 + exponent) / 8 * (8 + mantissa)
		at++
	}
	h.idAt = at
	h.size = at + h.idSize + contentSize
	if len(b) < h.size {
		return h, false
	}
	var field [8]byte
	copy(field[:], b[at:at+h.idSize])
	h.id = binary.LittleEndian.Uint32(field[:])
	clear(field[:])
	copy(field[:], b[at+h.idSize:h.size])
	h.content = binary.LittleEndian.Uint64(field[:])
	switch {
	case contentSize == 0:
		h.content = unknownSize
	case contentSize == 2:
		h.content += 256
	}
	if single {
		h.window = h.content
	}
	return h, true
}

// check refuses a frame that breaks a rule before one that is too large. d is
// the dictionary that the coding names, or nil.
func (h *frameHead) check(d *Dictionary, limit int64) error {
	switch {
	case h.id != 0 && (d == nil || h.id != d.id):
		return errFrame
	case h.window > MaxWindow:
		return errWindow
	case limit > 0 && h.content != unknownSize && h.content > uint64(limit):
		return errPayload(limit)
	}
	return nil
}

// appendHead appends the head of a frame, with the id of its dictionary in four
// bytes if d is not nil, else without one. The library needs the id.
func (h *frameHead) appendHead(dst, frame []byte, d *Dictionary) []byte {
	descriptor := frame[4] &^ 3
	if d != nil {
		descriptor |= 3
	}
	dst = append(append(dst, frameMagic...), descriptor)
	dst = append(dst, frame[5:h.idAt]...)
	if d != nil {
		dst = binary.LittleEndian.AppendUint32(dst, d.id)
	}
	return append(dst, frame[h.idAt+h.idSize:h.size]...)
}

// blockHead is the head of a block: how many bytes follow it, and whether it is
// the last one.
const blockHeadSize = 3

func parseBlockHead(b []byte) (size int, last, ok bool) {
	n := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	last = n&1 != 0
	size = int(n >> 3)
	switch n >> 1 & 3 {
	case 1: // one byte, repeated
		return 1, last, true
	case 3: // reserved
		return 0, last, false
	}
	return size, last, true
}

// findFrameEnd returns where the frame ends with which b begins, as far as its
// blocks tell; ok is false, and the end that of b, if that is not in b.
func findFrameEnd(b []byte, h *frameHead) (end int, ok bool) {
	end = h.size
	for last := false; !last; {
		if len(b)-end < blockHeadSize {
			return len(b), false
		}
		var size int
		if size, last, ok = parseBlockHead(b[end:]); !ok {
			return len(b), false
		}
		end += blockHeadSize
		if len(b)-end < size {
			return len(b), false
		}
		end += size
	}
	if h.checksum {
		end += 4
	}
	return min(end, len(b)), end <= len(b)
}
