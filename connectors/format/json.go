package format

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// lineParser parses one ndjson line in place: a JSON string is never shorter
// than the text that it encodes. It is stricter than encoding/json, which
// accepts repeated fields and replaces invalid Unicode by U+FFFD. Its errors
// hold nothing of the line but the names of fields.
type lineParser struct {
	b     []byte
	i     int
	batch *Batch
	max   int // headers
	// anyBytes says that strings may hold bytes that are no UTF-8.
	anyBytes bool
}

// field is a bit for each field of a line.
type field uint8

const (
	fieldKey field = 1 << iota
	fieldValue
	fieldHeaders
	fieldTime
	fieldSubject
)

var fieldsByName = map[string]field{
	"key": fieldKey, "key64": fieldKey, "value": fieldValue, "value64": fieldValue,
	"headers": fieldHeaders, "time": fieldTime, "subject": fieldSubject, "subject64": fieldSubject,
}

func (p *lineParser) parseMessage(m *pipeline.Message) error {
	if err := p.expectByte('{'); err != nil {
		return err
	}
	var seen field
	for n := 0; ; n++ {
		if p.skipByte('}') {
			break
		}
		if n > 0 {
			if err := p.expectByte(','); err != nil {
				return err
			}
		}
		name, err := p.parseName()
		if err != nil {
			return err
		}
		f, ok := fieldsByName[string(name)]
		switch {
		case !ok:
			return &ForeignError{unknownField(name)}
		case seen&f != 0:
			return fmt.Errorf("field %q comes twice, or with its base64 form", name)
		}
		seen |= f
		encoded := bytes.HasSuffix(name, []byte("64"))
		if err := p.parseField(m, f, encoded); err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	if p.skipSpace(); p.i < len(p.b) {
		return errors.New("more than one object in the line")
	}
	if seen&fieldValue == 0 {
		return &ForeignError{errors.New(`field "value" is missing`)}
	}
	return nil
}

// unknownField names the field if it looks like a name. Otherwise its text may
// be data gone astray, and is left out.
func unknownField(name []byte) error {
	ok := len(name) > 0 && len(name) <= 32
	for i, c := range name {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		ok = ok && (letter || i > 0 && (c >= '0' && c <= '9' || c == '_' || c == '-'))
	}
	if !ok {
		return errors.New("unknown field")
	}
	return fmt.Errorf("unknown field %q", name)
}

// parseName reads a field's name and the colon behind it.
func (p *lineParser) parseName() ([]byte, error) {
	name, err := p.parseText()
	if err != nil {
		return nil, err
	}
	return name, p.expectByte(':')
}

func (p *lineParser) parseField(m *pipeline.Message, f field, encoded bool) (err error) {
	switch f {
	case fieldKey:
		m.Key, err = p.parseBytes(encoded)
	case fieldValue:
		m.Value, err = p.parseBytes(encoded)
	case fieldSubject:
		m.Subject, err = p.parseBytes(encoded)
	case fieldHeaders:
		m.Headers, err = p.parseHeaders()
	case fieldTime:
		m.Time, err = p.parseTime()
	}
	return err
}

// parseBytes reads a string or null, or a string of base64.
func (p *lineParser) parseBytes(encoded bool) ([]byte, error) {
	if !encoded && p.skipNull() {
		return nil, nil
	}
	if p.skipSpace(); p.i < len(p.b) && p.b[p.i] != '"' {
		return nil, errNoString
	}
	s, err := p.parseText()
	if err != nil || !encoded {
		return s, err
	}
	return decodeBase64(s)
}

var errNoString = errors.New("it is a JSON string, or null, and nothing else: an object is written as a string")

// decodeBase64 decodes in place. It refuses line ends, which encoding/base64
// skips even in strict mode.
func decodeBase64(s []byte) ([]byte, error) {
	if bytes.ContainsAny(s, "\r\n") {
		return nil, errors.New("not base64")
	}
	n, err := base64.StdEncoding.Strict().Decode(s, s)
	if err != nil {
		return nil, errors.New("not base64") // the library's error tells nothing more
	}
	return s[:n:n], nil
}

func (p *lineParser) parseTime() (time.Time, error) {
	if p.skipNull() {
		return time.Time{}, nil
	}
	s, err := p.parseText()
	if err != nil {
		return time.Time{}, err
	}
	var t time.Time
	if err := t.UnmarshalText(s); err != nil { // the strict form of RFC 3339; its error quotes the text
		return time.Time{}, errors.New("not a time of RFC 3339")
	}
	return t.UTC(), nil
}

// parseHeaders reads null or an array of pairs.
func (p *lineParser) parseHeaders() ([]pipeline.Header, error) {
	if p.skipNull() {
		return nil, nil
	}
	if err := p.expectByte('['); err != nil {
		return nil, err
	}
	start := len(p.batch.headers)
	for n := 0; !p.skipByte(']'); n++ {
		if n == p.max {
			return nil, headerLimitError(p.max)
		}
		if n > 0 {
			if err := p.expectByte(','); err != nil {
				return nil, err
			}
		}
		h, err := p.parseHeaderPair()
		if err != nil {
			return nil, err
		}
		p.batch.headers = append(p.batch.headers, h)
	}
	end := len(p.batch.headers)
	if start == end {
		return nil, nil
	}
	return p.batch.headers[start:end:end], nil
}

func (p *lineParser) parseHeaderPair() (h pipeline.Header, err error) {
	if err := p.expectByte('['); err != nil {
		return h, err
	}
	name, err := p.parseHeaderText()
	if err != nil {
		return h, err
	}
	h.Name = p.batch.names.intern(name)
	if err := p.expectByte(','); err != nil {
		return h, err
	}
	if !p.skipNull() {
		if h.Value, err = p.parseHeaderText(); err != nil {
			return h, err
		}
	}
	return h, p.expectByte(']')
}

// parseHeaderText reads a string or {"b64":".."}.
func (p *lineParser) parseHeaderText() ([]byte, error) {
	if !p.skipByte('{') {
		return p.parseText()
	}
	name, err := p.parseName()
	if err != nil {
		return nil, err
	}
	if string(name) != "b64" {
		return nil, unknownField(name)
	}
	s, err := p.parseText()
	if err != nil {
		return nil, err
	}
	if err := p.expectByte('}'); err != nil {
		return nil, err
	}
	return decodeBase64(s)
}

func (p *lineParser) skipSpace() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		default:
			return
		}
	}
}

// skipByte skips c if it comes next, with the space before it.
func (p *lineParser) skipByte(c byte) bool {
	if p.skipSpace(); p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *lineParser) expectByte(c byte) error {
	if !p.skipByte(c) {
		return fmt.Errorf("column %d: %q is due", p.i+1, c)
	}
	return nil
}

func (p *lineParser) skipNull() bool {
	p.skipSpace()
	if !bytes.HasPrefix(p.b[p.i:], []byte("null")) {
		return false
	}
	p.i += len("null")
	return true
}
