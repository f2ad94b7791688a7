package batch

import (
	"encoding/binary"
	"math/bits"
)

// xxh32 is the checksum of LZ4 frames, XXH32 with the seed 0
// (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md). The lz4 library has
// it and does not export it.
type xxh32 struct {
	v     [4]uint32
	total uint64
	tail  [16]byte // bytes that do not fill a stripe, total%16 of them
}

const (
	xxhPrime1 = 0x9E3779B1
	xxhPrime2 = 0x85EBCA77
	xxhPrime3 = 0xC2B2AE3D
	xxhPrime4 = 0x27D4EB2F
	xxhPrime5 = 0x165667B1
)

func newXXH32() xxh32 {
	p1, p2 := uint32(xxhPrime1), uint32(xxhPrime2)
	return xxh32{v: [4]uint32{p1 + p2, p2, 0, -p1}}
}

func sumXXH32(b []byte) uint32 {
	x := newXXH32()
	x.addBytes(b)
	return x.readSum()
}

// addBytes appends b to the bytes that are summed up.
func (x *xxh32) addBytes(b []byte) {
	have := int(x.total % 16)
	x.total += uint64(len(b))
	if have > 0 {
		n := copy(x.tail[have:], b)
		if have+n < 16 {
			return
		}
		b = b[n:]
		x.addStripes(x.tail[:])
	}
	whole := len(b) &^ 15
	x.addStripes(b[:whole])
	copy(x.tail[:], b[whole:])
}

// addStripes adds whole stripes of 16 bytes.
func (x *xxh32) addStripes(b []byte) {
	v0, v1, v2, v3 := x.v[0], x.v[1], x.v[2], x.v[3]
	for ; len(b) >= 16; b = b[16:] {
		v0 = bits.RotateLeft32(v0+binary.LittleEndian.Uint32(b[0:4])*xxhPrime2, 13) * xxhPrime1
		v1 = bits.RotateLeft32(v1+binary.LittleEndian.Uint32(b[4:8])*xxhPrime2, 13) * xxhPrime1
		v2 = bits.RotateLeft32(v2+binary.LittleEndian.Uint32(b[8:12])*xxhPrime2, 13) * xxhPrime1
		v3 = bits.RotateLeft32(v3+binary.LittleEndian.Uint32(b[12:16])*xxhPrime2, 13) * xxhPrime1
	}
	x.v = [4]uint32{v0, v1, v2, v3}
}

// readSum returns the checksum of all bytes so far.
func (x *xxh32) readSum() uint32 {
	h := uint32(xxhPrime5)
	if x.total >= 16 {
		h = bits.RotateLeft32(x.v[0], 1) + bits.RotateLeft32(x.v[1], 7) +
			bits.RotateLeft32(x.v[2], 12) + bits.RotateLeft32(x.v[3], 18)
	}
	h += uint32(x.total)
	b := x.tail[:x.total%16]
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*xxhPrime3, 17) * xxhPrime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*xxhPrime5, 11) * xxhPrime1
	}
	h ^= h >> 15
	h *= xxhPrime2
	h ^= h >> 13
	h *= xxhPrime3
	return h ^ h>>16
}
