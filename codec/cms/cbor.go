package cms

import "encoding/binary"

// Break ends the segments of a chunked ciphertext (RFC 8949, 3.2.1).
const Break = 0xff

// CBOR major types, shifted into place (RFC 8949, section 3.1).
const (
	majorUint  = 0 << 5
	majorNint  = 1 << 5
	majorBytes = 2 << 5
	majorText  = 3 << 5
	majorArray = 4 << 5
	majorMap   = 5 << 5
	majorTag   = 6 << 5

	cborNull  = 0xf6
	cborFalse = 0xf4
	cborTrue  = 0xf5
	cborOpen  = 0x5f // an indefinite-length byte string begins
	cborBreak = Break
)

// appendHead appends the shortest head of a major type and its argument.
func appendHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= 0xff:
		return append(dst, major|24, byte(n))
	case n <= 0xffff:
		return append(dst, major|25, byte(n>>8), byte(n))
	case n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), n)
	}
}

// headSize is how many bytes appendHead appends.
func headSize(n uint64) int {
	switch {
	case n < 24:
		return 1
	case n <= 0xff:
		return 2
	case n <= 0xffff:
		return 3
	case n <= 0xffffffff:
		return 5
	default:
		return 9
	}
}

// appendInt appends an integer in its shortest form.
func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendHead(dst, majorNint, uint64(-1-n))
	}
	return appendHead(dst, majorUint, uint64(n))
}

func appendBytes(dst, b []byte) []byte {
	return append(appendHead(dst, majorBytes, uint64(len(b))), b...)
}

// appendBytesOrNull writes nil as null, which is not the empty string.
func appendBytesOrNull(dst, b []byte) []byte {
	if b == nil {
		return append(dst, cborNull)
	}
	return appendBytes(dst, b)
}

// bytesHead reads the head of a definite byte string in its shortest form, of
// at most 2^32-1 bytes.
func bytesHead(b []byte) (n, size int, ok bool) {
	if len(b) == 0 || b[0]&0xe0 != majorBytes {
		return 0, 0, false
	}
	switch low := b[0] & 0x1f; {
	case low < 24:
		return int(low), 1, true
	case low == 24 && len(b) >= 2:
		n, size = int(b[1]), 2
	case low == 25 && len(b) >= 3:
		n, size = int(binary.BigEndian.Uint16(b[1:])), 3
	case low == 26 && len(b) >= 5:
		n, size = int(binary.BigEndian.Uint32(b[1:])), 5
	default:
		return 0, 0, false
	}
	return n, size, headSize(uint64(n)) == size
}
