package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// A line of kcat -J is one message:
//
//	{"topic":"..","partition":0,"offset":1,
//	 "tstype":"create","ts":1790841600000,"broker":1,
//	 "headers":["name","value",..],"key":"..","payload":".."}
//
// headers may be {"name":["value",..],..} too. A key, a payload or a header's
// value that is null is null. kcat writes the bytes of strings as they are,
// also those that are no UTF-8, so nothing is lost until another program
// replaces them by U+FFFD. Topic, partition and offset are checked and left
// out: the place of a message is the file.

// kcatDecoder reads lines of kcat.
type kcatDecoder struct {
	lineSplitter
	headers      int // of one message, at most
	noteReplaced func()
}

// replaced is U+FFFD.
var replaced = []byte("\uFFFD")

func holdsReplaced(m *pipeline.Message) bool {
	return bytes.Contains(m.Value, replaced) || bytes.Contains(m.Key, replaced) ||
		slices.ContainsFunc(m.Headers, func(h pipeline.Header) bool { return bytes.Contains(h.Value, replaced) })
}

func (d *kcatDecoder) decodeInto(_ context.Context, record []byte, b *Batch) (bool, error) {
	line, err := d.takeLine(record)
	if err != nil || len(bytes.TrimSpace(line)) == 0 {
		return false, err
	}
	m := b.addMessage()
	p := kcatParser{lineParser{b: line, batch: b, max: d.headers, anyBytes: true}}
	if err = p.parseMessage(m); err == nil {
		if d.noteReplaced != nil && holdsReplaced(m) {
			d.noteReplaced()
		}
		return true, nil
	}
	b.dropMessage()
	reason := reasonOf(err)
	if last := record[len(record)-1]; last != '\n' && errors.Is(reason, ErrMalformed) &&
		(last != '}' || p.i == len(line)) {
		return false, fmt.Errorf("%w: the last line is not whole", ErrTruncated)
	}
	return false, rejectRecord(reason, fmt.Errorf("line %d: %w", d.number, err))
}

// kcatParser parses one line in place. Its errors hold nothing of the line but
// the names of fields.
type kcatParser struct{ lineParser }

// kcatFields are the fields of a line; the others of them are left out.
var kcatFields = map[string]bool{
	"topic": true, "partition": true, "offset": true, "payload": true,
	"tstype": false, "ts": false, "broker": false, "headers": false, "key": false,
}

func (p *kcatParser) parseMessage(m *pipeline.Message) error {
	if err := p.expectByte('{'); err != nil {
		return err
	}
	seen := make(map[string]bool, len(kcatFields))
	var at kcatTime
	for !p.skipByte('}') {
		if len(seen) > 0 {
			if err := p.expectByte(','); err != nil {
				return err
			}
		}
		name, err := p.parseName()
		if err != nil {
			return err
		}
		if _, ok := kcatFields[string(name)]; !ok {
			return unknownField(name)
		}
		if seen[string(name)] {
			return fmt.Errorf("field %q comes twice", name)
		}
		seen[string(name)] = true
		if err := p.parseField(m, string(name), &at); err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	if p.skipSpace(); p.i < len(p.b) {
		return errors.New("more than one object in the line")
	}
	for name, needed := range kcatFields {
		if needed && !seen[name] {
			return fmt.Errorf("field %q is missing", name)
		}
	}
	m.Time = at.toTime()
	return nil
}

// kcatTime is the time of a line.
type kcatTime struct {
	kind string
	ms   int64
}

// toTime returns the zero time for one that is not known.
func (t *kcatTime) toTime() time.Time {
	if t.kind != "create" && t.kind != "logappend" || t.ms < 0 {
		return time.Time{}
	}
	return time.UnixMilli(t.ms).UTC()
}

func (p *kcatParser) parseField(m *pipeline.Message, name string, at *kcatTime) (err error) {
	switch name {
	case "key":
		m.Key, err = p.parseBytes(false)
	case "payload":
		m.Value, err = p.parseBytes(false)
	case "headers":
		m.Headers, err = p.parsePairs()
	case "ts":
		at.ms, err = p.parseInteger()
	case "tstype":
		var kind []byte
		kind, err = p.parseText()
		at.kind = string(kind)
	case "topic":
		_, err = p.parseText()
	default:
		_, err = p.parseInteger()
	}
	return err
}

func (p *kcatParser) parseInteger() (int64, error) {
	p.skipSpace()
	start := p.i
	for p.i < len(p.b) && (p.b[p.i] == '-' || p.b[p.i] >= '0' && p.b[p.i] <= '9') {
		p.i++
	}
	n, err := strconv.ParseInt(string(p.b[start:p.i]), 10, 64)
	if err != nil {
		return 0, errors.New("not an integer")
	}
	return n, nil
}

// parsePairs reads headers in either form.
func (p *kcatParser) parsePairs() ([]pipeline.Header, error) {
	start := len(p.batch.headers)
	var err error
	if p.skipByte('{') {
		err = p.parseHeaderMap()
	} else {
		err = p.parseHeaderList()
	}
	end := len(p.batch.headers)
	if err != nil || start == end {
		return nil, err
	}
	return p.batch.headers[start:end:end], nil
}

// parseHeaderList reads ["name","value",..].
func (p *kcatParser) parseHeaderList() error {
	if err := p.expectByte('['); err != nil {
		return err
	}
	for n := 0; !p.skipByte(']'); n++ {
		if n > 0 {
			if err := p.expectByte(','); err != nil {
				return err
			}
		}
		name, err := p.parseText()
		if err == nil {
			err = p.expectByte(',')
		}
		if err == nil {
			err = p.addHeader(p.batch.names.intern(name), n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseHeaderMap reads "name":["value",..],..} behind its brace.
func (p *kcatParser) parseHeaderMap() error {
	n := 0
	for first := true; !p.skipByte('}'); first = false {
		if !first {
			if err := p.expectByte(','); err != nil {
				return err
			}
		}
		text, err := p.parseName()
		if err == nil {
			err = p.expectByte('[')
		}
		if err != nil {
			return err
		}
		name := p.batch.names.intern(text)
		for more := false; !p.skipByte(']'); more = true {
			if more {
				if err := p.expectByte(','); err != nil {
					return err
				}
			}
			if err := p.addHeader(name, n); err != nil {
				return err
			}
			n++
		}
	}
	return nil
}

// addHeader reads the value of the header with this number.
func (p *kcatParser) addHeader(name string, number int) error {
	if number == p.max {
		return headerLimitError(p.max)
	}
	value, err := p.parseBytes(false)
	if err == nil {
		p.batch.headers = append(p.batch.headers, pipeline.Header{Name: name, Value: value})
	}
	return err
}
