package format

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// lineParser takes one ndjson line apart, in place: a JSON string is never shorter than what it
// stands for. It is stricter than encoding/json, which passes over repeated fields and turns what is
// not Unicode into U+FFFD. Its errors carry nothing of the line but the names of fields.
type lineParser struct {
	b     []byte
	i     int
	batch *Batch
	max   int // headers
}

// field is one that a line may have.
type field uint8

const (
	fieldKey field = 1 << iota
	fieldValue
	fieldHeaders
	fieldTime
	fieldSubject
)

var fields = map[string]field{
	"key": fieldKey, "key64": fieldKey, "value": fieldValue, "value64": fieldValue,
	"headers": fieldHeaders, "time": fieldTime, "subject": fieldSubject, "subject64": fieldSubject,
}

func (p *lineParser) message(m *pipeline.Message) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	var seen field
	for n := 0; ; n++ {
		if p.skip('}') {
			break
		}
		if n > 0 {
			if err := p.expect(','); err != nil {
				return err
			}
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		f, ok := fields[string(name)]
		switch {
		case !ok:
			return unknownField(name)
		case seen&f != 0:
			return fmt.Errorf("field %q comes twice, or with its base64 form", name)
		}
		seen |= f
		encoded := bytes.HasSuffix(name, []byte("64"))
		if err := p.field(m, f, encoded); err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	if p.space(); p.i < len(p.b) {
		return errors.New("more than one object in the line")
	}
	if seen&fieldValue == 0 {
		return errors.New(`field "value" is missing`)
	}
	return nil
}

// unknownField names the field if it looks like one: what stands there may be data gone astray.
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

// name reads a field's name and the colon behind it.
func (p *lineParser) name() ([]byte, error) {
	name, err := p.text()
	if err != nil {
		return nil, err
	}
	return name, p.expect(':')
}

func (p *lineParser) field(m *pipeline.Message, f field, encoded bool) (err error) {
	switch f {
	case fieldKey:
		m.Key, err = p.bytes(encoded)
	case fieldValue:
		m.Value, err = p.bytes(encoded)
	case fieldSubject:
		m.Subject, err = p.bytes(encoded)
	case fieldHeaders:
		m.Headers, err = p.headers()
	case fieldTime:
		m.Time, err = p.time()
	}
	return err
}

// bytes reads a string or null, or a string of base64.
func (p *lineParser) bytes(encoded bool) ([]byte, error) {
	if !encoded && p.null() {
		return nil, nil
	}
	s, err := p.text()
	if err != nil || !encoded {
		return s, err
	}
	return unbase64(s)
}

// unbase64 decodes in place. encoding/base64 passes over line ends, even in strict mode.
func unbase64(s []byte) ([]byte, error) {
	if bytes.ContainsAny(s, "\r\n") {
		return nil, errors.New("not base64")
	}
	n, err := base64.StdEncoding.Strict().Decode(s, s)
	if err != nil {
		return nil, errors.New("not base64") // the library's error would be no more telling
	}
	return s[:n:n], nil
}

func (p *lineParser) time() (time.Time, error) {
	if p.null() {
		return time.Time{}, nil
	}
	s, err := p.text()
	if err != nil {
		return time.Time{}, err
	}
	var t time.Time
	if err := t.UnmarshalText(s); err != nil { // the strict form of RFC 3339; its error quotes the text
		return time.Time{}, errors.New("not a time of RFC 3339")
	}
	return t.UTC(), nil
}

// headers reads null or an array of pairs.
func (p *lineParser) headers() ([]pipeline.Header, error) {
	if p.null() {
		return nil, nil
	}
	if err := p.expect('['); err != nil {
		return nil, err
	}
	start := len(p.batch.headers)
	for n := 0; !p.skip(']'); n++ {
		if n == p.max {
			return nil, fmt.Errorf("%w: more than %d headers", ErrTooLarge, p.max)
		}
		if n > 0 {
			if err := p.expect(','); err != nil {
				return nil, err
			}
		}
		h, err := p.header()
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

func (p *lineParser) header() (h pipeline.Header, err error) {
	if err := p.expect('['); err != nil {
		return h, err
	}
	name, err := p.headerText()
	if err != nil {
		return h, err
	}
	h.Name = p.batch.names.intern(name)
	if err := p.expect(','); err != nil {
		return h, err
	}
	if !p.null() {
		if h.Value, err = p.headerText(); err != nil {
			return h, err
		}
	}
	return h, p.expect(']')
}

// headerText reads a string or {"b64":".."}.
func (p *lineParser) headerText() ([]byte, error) {
	if !p.skip('{') {
		return p.text()
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if string(name) != "b64" {
		return nil, unknownField(name)
	}
	s, err := p.text()
	if err != nil {
		return nil, err
	}
	if err := p.expect('}'); err != nil {
		return nil, err
	}
	return unbase64(s)
}

func (p *lineParser) space() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		default:
			return
		}
	}
}

// skip takes c if it comes next.
func (p *lineParser) skip(c byte) bool {
	if p.space(); p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *lineParser) expect(c byte) error {
	if !p.skip(c) {
		return fmt.Errorf("column %d: %q is due", p.i+1, c)
	}
	return nil
}

func (p *lineParser) null() bool {
	p.space()
	if !bytes.HasPrefix(p.b[p.i:], []byte("null")) {
		return false
	}
	p.i += len("null")
	return true
}
