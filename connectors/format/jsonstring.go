package format

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// JSON strings are most of the bytes of an ndjson file. They are looked at
// eight bytes at a time.

const (
	everyByte = 0x0101010101010101
	highBits  = 0x80 * everyByte
)

// markSpecial sets the high bit of the first byte of x that is a control
// character, a quotation mark or a backslash, and of no byte before it. The
// first byte is the lowest one. The bits above the first one that is set mean
// nothing, since a subtraction borrows from the next byte.
func markSpecial(x uint64) uint64 {
	quote, slash := x^'"'*everyByte, x^'\\'*everyByte
	return ((x - ' '*everyByte) | (quote - everyByte) | (slash - everyByte)) &^ x & highBits
}

// special are the bytes that cannot stand for themselves in a JSON string (RFC
// 8259 section 7).
var special = func() (table [256]bool) {
	for c := range table {
		table[c] = c < ' ' || c == '"' || c == '\\'
	}
	return table
}()

// findSpecial returns the index of the first special byte of b, or its length.
func findSpecial(b []byte) int {
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		if marks := markSpecial(binary.LittleEndian.Uint64(b[i:])); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for ; i < len(b); i++ {
		if special[b[i]] {
			break
		}
	}
	return i
}

// appendString writes a JSON string with no more escapes than RFC 8259 section
// 7 asks for. It writes eight bytes at a time too, and those behind a special
// byte once more.
func appendString(dst, s []byte) []byte {
	dst = append(slices.Grow(dst, len(s)+16), '"')
	for len(s) >= 8 {
		x := binary.LittleEndian.Uint64(s)
		dst = binary.LittleEndian.AppendUint64(dst, x)
		marks := markSpecial(x)
		if marks == 0 {
			s = s[8:]
			continue
		}
		n := bits.TrailingZeros64(marks) / 8
		dst = appendEscape(dst[:len(dst)-8+n], s[n])
		s = s[n+1:]
	}
	for _, c := range s {
		if special[c] {
			dst = appendEscape(dst, c)
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

const hexDigits = "0123456789abcdef"

// appendEscape writes a special byte.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
