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
	for p.i < len(p.b) {
		c := p.b[p.i]
		switch {
		case c == '"':
			p.i++
			s := p.b[start:w:w]
			if !p.anyBytes && !utf8.Valid(s) {
				return nil, errors.New("a string is not UTF-8")
			}
			return s, nil
		case c < ' ':
			return nil, fmt.Errorf("column %d: a control character in a string", p.i+1)
		case c == '\\':
			r, err := p.parseEscape()
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

// parseEscape reads a backslash and the characters that belong to it.
func (p *lineParser) parseEscape() (rune, error) {
	rest := p.b[p.i+1:]
	if len(rest) > 0 && rest[0] == 'u' {
		return p.parseUnicode()
	}
	if len(rest) == 0 || escapes[rest[0]] == 0 {
		return 0, fmt.Errorf("column %d: not an escape", p.i+1)
	}
	p.i += 2
	return escapes[rest[0]], nil
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
