package cms

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"
)

const (
	maxNesting  = 8
	maxElements = 16 // of an array, and pairs of a map
)

// scanItem walks over one CBOR item in byte order and returns the bytes that
// follow it. It finds an input that ends too early, is not well formed, or is
// over the limits (docs/envelope.md, section 10, step 2), without building
// anything. depth is how many arrays and maps it stands in.
func scanItem(b []byte, depth int) (rest []byte, err error) {
	major, info, n, rest, err := scanHead(b)
	if err != nil {
		return nil, err
	}
	switch open := info == 31; {
	case major <= majorNint && !open:
		return rest, nil
	case major == majorBytes || major == majorText:
		if open {
			return scanPieces(rest, major)
		}
		return scanString(rest, major, n)
	case major == majorArray || major == majorMap:
		return scanElements(rest, major, n, open, depth)
	case major == majorTag:
		return nil, fmt.Errorf("%w: a tag inside", ErrMalformed)
	case open: // no length, or a stray break
		return nil, fmt.Errorf("%w: not well-formed", ErrMalformed)
	case info < 20 || info > 22: // false, true and null are left
		return nil, fmt.Errorf("%w: a float or a simple value", ErrMalformed)
	}
	return rest, nil
}

// scanHead reads the head of an item: its major type, additional information
// and argument.
func scanHead(b []byte) (major, info byte, n uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, 0, 0, nil, ErrTruncated
	}
	major, info = b[0]&0xe0, b[0]&0x1f
	b = b[1:]
	switch {
	case info < 24:
		return major, info, uint64(info), b, nil
	case info == 31:
		return major, info, 0, b, nil
	case info > 27:
		return 0, 0, 0, nil, fmt.Errorf("%w: reserved additional information", ErrMalformed)
	}
	size := 1 << (info - 24)
	if len(b) < size {
		return 0, 0, 0, nil, ErrTruncated
	}
	var argument [8]byte
	copy(argument[8-size:], b)
	return major, info, binary.BigEndian.Uint64(argument[:]), b[size:], nil
}

func scanString(b []byte, major byte, n uint64) (rest []byte, err error) {
	if uint64(len(b)) < n {
		return nil, ErrTruncated
	}
	if major == majorText && !utf8.Valid(b[:n]) {
		return nil, fmt.Errorf("%w: text is not UTF-8", ErrMalformed)
	}
	return b[n:], nil
}

// scanPieces walks over the definite pieces of an indefinite-length string.
func scanPieces(b []byte, major byte) (rest []byte, err error) {
	for {
		if len(b) > 0 && b[0] == Break {
			return b[1:], nil
		}
		piece, info, n, after, err := scanHead(b)
		switch {
		case err != nil:
			return nil, err
		case piece != major || info == 31:
			return nil, fmt.Errorf("%w: a piece of another type", ErrMalformed)
		}
		if b, err = scanString(after, major, n); err != nil {
			return nil, err
		}
	}
}

// scanElements walks over n elements or pairs, or if open over those up to a
// break.
func scanElements(b []byte, major byte, n uint64, open bool, depth int) (rest []byte, err error) {
	switch {
	case depth == maxNesting:
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrTooLarge, maxNesting)
	case !open && n > maxElements:
		return nil, fmt.Errorf("%w: more than %d elements", ErrTooLarge, maxElements)
	}
	var keys [maxElements][]byte
	for count := uint64(0); ; count++ {
		switch {
		case open && len(b) > 0 && b[0] == Break:
			return b[1:], nil
		case !open && count == n:
			return b, nil
		case count == maxElements:
			return nil, fmt.Errorf("%w: more than %d elements", ErrTooLarge, maxElements)
		}
		item := b
		if b, err = scanItem(b, depth+1); err != nil {
			return nil, err
		}
		if major == majorMap {
			key := item[:len(item)-len(b)]
			if slices.ContainsFunc(keys[:count], func(k []byte) bool { return bytes.Equal(k, key) }) {
				return nil, fmt.Errorf("%w: a map key twice", ErrMalformed)
			}
			keys[count] = key
			if b, err = scanItem(b, depth+1); err != nil {
				return nil, err
			}
		}
	}
}
