// Package textfile knows the ways in which editors and shells spoil a text: a
// byte order mark, and UTF-16 instead of UTF-8.
//
// Key files, passwords, settings and files of records are all read through it,
// so that each of them is taken or refused in the same way. The package opens
// nothing and must not know the use of a text.
package textfile

import (
	"bytes"
	"errors"
)

// ErrUTF16 is the error of a text in UTF-16.
var ErrUTF16 = errors.New("the text is UTF-16, not UTF-8")

var mark = []byte{0xef, 0xbb, 0xbf}

// TrimMark returns a text without the UTF-8 byte order mark that some editors
// put in front of it. The result is a part of b.
func TrimMark(b []byte) []byte { return bytes.TrimPrefix(b, mark) }

// MayGrowMark tells whether b could be the first bytes of a longer text that
// begins with a byte order mark.
func MayGrowMark(b []byte) bool { return len(b) < len(mark) && bytes.HasPrefix(mark, b) }

// Check returns ErrUTF16 if the beginning of a text says that it is UTF-16: by
// a byte order mark, or by a zero byte beside an ASCII character.
func Check(b []byte) error {
	if len(b) < 2 {
		return nil
	}
	switch first, second := b[0], b[1]; {
	case first == 0xff && second == 0xfe, first == 0xfe && second == 0xff:
		return ErrUTF16
	case first == 0 && isPrintable(second), isPrintable(first) && second == 0:
		return ErrUTF16
	}
	return nil
}

func isPrintable(c byte) bool { return c >= ' ' && c < 0x7f }

// Clean returns a text without its byte order mark, or ErrUTF16.
func Clean(b []byte) ([]byte, error) {
	if err := Check(b); err != nil {
		return nil, err
	}
	return TrimMark(b), nil
}
