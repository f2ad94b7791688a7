package batch

import (
	"encoding/binary"
	"math/bits"
)

// Records count in zigzag varints: of at most 32 bits for lengths and offsets,
// 64 bits for times.
const (
	maxVarint32 = 5
	maxVarint64 = 10
)

// parseVarint reads one from the start of b and says how long it was: 0 if b
// ends before it does, negative if it does not fit.
func parseVarint(b []byte) (int64, int) {
	switch {
	case len(b) > 0 && b[0] < 0x80:
		return unzigzag(uint64(b[0])), 1
	case len(b) > 1 && b[1] < 0x80:
		return unzigzag(uint64(b[0]&0x7f) | uint64(b[1])<<7), 2
	}
	return binary.Varint(b)
}

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func appendVarint(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

func varintSize(v int64) int {
	zigzag := uint64(v)<<1 ^ uint64(v>>63)
	return (bits.Len64(zigzag|1) + 6) / 7
}

// appendBytes writes a length and b; the length of nil is -1.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // zigzag of -1
	}
	return append(appendVarint(dst, int64(len(b))), b...)
}

func bytesSize(b []byte) int { return varintSize(int64(len(b))) + len(b) }
