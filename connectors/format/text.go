package format

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a JSON string (RFC 8259 section 7). It is never nil.
func (p *lineParser) text() ([]byte, error) {
	if err := p.expect('"'); err != nil {
		return nil, err
	}
	start := p.i
	w := start
	for p.i < len(p.b) {
		c := p.b[p.i]
		switch {
		case c == '"':
			p.i++
			s := p.b[start:w:w]
			if !utf8.Valid(s) {
				return nil, errors.New("a string is not UTF-8")
			}
			return s, nil
		case c < ' ':
			return nil, fmt.Errorf("column %d: a control character in a string", p.i+1)
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return nil, err
			}
			w = len(utf8.AppendRune(p.b[:w], r)) // fits: an escape is longer than its rune
		default:
			p.b[w] = c
			w++
			p.i++
		}
	}
	return nil, errors.New("a string does not end")
}

var escapes = [256]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads a backslash and what belongs to it.
func (p *lineParser) escape() (rune, error) {
	rest := p.b[p.i+1:]
	if len(rest) > 0 && rest[0] == 'u' {
		return p.unicode()
	}
	if len(rest) == 0 || escapes[rest[0]] == 0 {
		return 0, fmt.Errorf("column %d: not an escape", p.i+1)
	}
	p.i += 2
	return escapes[rest[0]], nil
}

// unicode reads \uXXXX, or two of them that form a surrogate pair. Half a pair is no character.
func (p *lineParser) unicode() (rune, error) {
	r, ok := p.hex4()
	if ok && utf16.IsSurrogate(r) {
		var low rune
		low, ok = p.hex4()
		r = utf16.DecodeRune(r, low)
		ok = ok && r != utf8.RuneError
	}
	if !ok {
		return 0, fmt.Errorf("column %d: not an escape", p.i+1)
	}
	return r, nil
}

func (p *lineParser) hex4() (rune, bool) {
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
