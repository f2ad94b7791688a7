package format

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// parseText reads a JSON string (RFC 8259 section 7). It is never nil.
func (p *lineParser) parseText() ([]byte, error) {
	if err := p.expectByte('"'); err != nil {
		return nil, err
	}
	start := p.i
	w := start
	for {
		if w = p.moveText(w); p.i == len(p.b) {
			return nil, errors.New("a string does not end")
		}
		switch c := p.b[p.i]; {
		case c == '"':
			p.i++
			s := p.b[start:w:w]
			if !p.anyBytes && !utf8.Valid(s) {
				return nil, errors.New("a string is not UTF-8")
			}
			return s, nil
		case c < ' ':
			return nil, fmt.Errorf("column %d: a control character in a string", p.i+1)
		case p.i+1 < len(p.b) && escapes[p.b[p.i+1]] != 0:
			p.b[w] = escapes[p.b[p.i+1]]
			w, p.i = w+1, p.i+2
		default: // another escape
			r, err := p.parseUnicode()
			if err != nil {
				return nil, err
			}
			w = len(utf8.AppendRune(p.b[:w], r)) // fits: an escape is longer than its rune
		}
	}
}

// moveText moves the bytes before the next special one to w, and returns where
// they end there.
func (p *lineParser) moveText(w int) int {
	b, i := p.b, p.i
	for short := min(i+8, len(b)); i < short; i, w = i+1, w+1 {
		if special[b[i]] {
			p.i = i
			return w
		}
		b[w] = b[i]
	}
	n := findSpecial(b[i:])
	if w != i {
		copy(b[w:], b[i:i+n])
	}
	p.i = i + n
	return w + n
}

// escapes are the bytes that stand for a letter behind a backslash; 0 for none.
var escapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// parseUnicode reads \uXXXX, or two of them that form a surrogate pair. One
// half of a pair is an error.
func (p *lineParser) parseUnicode() (rune, error) {
	r, ok := p.parseHex4()
	if ok && utf16.IsSurrogate(r) {
		var low rune
		low, ok = p.parseHex4()
		r = utf16.DecodeRune(r, low)
		ok = ok && r != utf8.RuneError
	}
	if !ok {
		return 0, fmt.Errorf("column %d: not an escape", p.i+1)
	}
	return r, nil
}

func (p *lineParser) parseHex4() (rune, bool) {
	if len(p.b)-p.i < 6 || p.b[p.i] != '\\' || p.b[p.i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range p.b[p.i+2 : p.i+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	p.i += 6
	return r, true
}
