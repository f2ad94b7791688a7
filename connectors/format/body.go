package format

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// The body of a seq record is deterministic CBOR (RFC 8949 section 4.2.1):
//
//	record  = [key: bytes / null, [*header], time: int, subject: bytes / null, value: bytes / null]
//	header  = [name: bytes, value: bytes / null]
//
// time is in unix milliseconds. The shape is fixed, so it is written and read
// here byte by byte: the values stay where they lie and no allocation is made.
// Tests hold it equal to fxamacker/cbor.

// The major types that a record is made of, and null.
const (
	cborUint  = 0 << 5
	cborInt   = 1 << 5
	cborBytes = 2 << 5
	cborArray = 4 << 5
	cborNull  = 0xf6
)

var errRecord = errors.New("not a record")

func appendBody(dst []byte, m *pipeline.Message) []byte {
	dst = appendBytes(append(dst, cborArray|5), m.Key)
	dst = appendHead(dst, cborArray, uint64(len(m.Headers)))
	for _, h := range m.Headers {
		dst = appendHead(append(dst, cborArray|2), cborBytes, uint64(len(h.Name)))
		dst = appendBytes(append(dst, h.Name...), h.Value)
	}
	if ms := m.Time.UnixMilli(); ms >= 0 {
		dst = appendHead(dst, cborUint, uint64(ms))
	} else {
		dst = appendHead(dst, cborInt, uint64(-(ms + 1)))
	}
	return appendBytes(appendBytes(dst, m.Subject), m.Value)
}

// appendBytes writes a byte string, or null for a nil b.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, cborNull)
	}
	return append(appendHead(dst, cborBytes, uint64(len(b))), b...)
}

// appendHead writes a major type and its argument in the shortest form.
func appendHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), n)
	}
}

// bodyParser parses a record's body. Its results point into b.
type bodyParser struct {
	b []byte
	i int
}

// parseMessage fills m from the whole body. Headers go into the batch.
func (p *bodyParser) parseMessage(m *pipeline.Message, b *Batch, maxHeaders int) (err error) {
	if !p.skipByte(cborArray | 5) {
		return errRecord
	}
	if m.Key, err = p.parseBytesOrNull(); err != nil {
		return err
	}
	if m.Headers, err = p.parseHeaders(b, maxHeaders); err != nil {
		return err
	}
	if m.Time, err = p.parseTime(); err != nil {
		return err
	}
	if m.Subject, err = p.parseBytesOrNull(); err != nil {
		return err
	}
	if m.Value, err = p.parseBytesOrNull(); err != nil {
		return err
	}
	if p.i != len(p.b) {
		return errRecord
	}
	return nil
}

func (p *bodyParser) parseHeaders(b *Batch, most int) ([]pipeline.Header, error) {
	n, err := p.parseHead(cborArray)
	switch {
	case err != nil:
		return nil, err
	case n > uint64(most):
		return nil, headerLimitError(most)
	case n == 0:
		return nil, nil
	}
	start := len(b.headers)
	for range n { // ends early unless the record has bytes for all n
		if !p.skipByte(cborArray | 2) {
			return nil, errRecord
		}
		name, err := p.parseBytes()
		if err != nil {
			return nil, err
		}
		value, err := p.parseBytesOrNull()
		if err != nil {
			return nil, err
		}
		b.headers = append(b.headers, pipeline.Header{Name: b.names.intern(name), Value: value})
	}
	end := len(b.headers)
	return b.headers[start:end:end], nil
}

func (p *bodyParser) parseTime() (time.Time, error) {
	if p.i == len(p.b) {
		return time.Time{}, errRecord
	}
	major := p.b[p.i] & 0xe0
	if major != cborUint && major != cborInt {
		return time.Time{}, errRecord
	}
	n, err := p.parseHead(major)
	if err != nil || n > math.MaxInt64 {
		return time.Time{}, errRecord
	}
	ms := int64(n)
	if major == cborInt {
		ms = -1 - ms
	}
	return time.UnixMilli(ms).UTC(), nil
}

func (p *bodyParser) parseBytesOrNull() ([]byte, error) {
	if p.skipByte(cborNull) {
		return nil, nil
	}
	return p.parseBytes()
}

func (p *bodyParser) parseBytes() ([]byte, error) {
	n, err := p.parseHead(cborBytes)
	if err != nil || n > uint64(len(p.b)-p.i) {
		return nil, errRecord
	}
	start := p.i
	p.i += int(n)
	return p.b[start:p.i:p.i], nil
}

// skipByte skips the byte c if it comes next.
func (p *bodyParser) skipByte(c byte) bool {
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

// parseHead reads the argument of the given major type. Any form but the
// shortest is refused, and so are indefinite lengths.
func (p *bodyParser) parseHead(major byte) (uint64, error) {
	if p.i == len(p.b) || p.b[p.i]&0xe0 != major {
		return 0, errRecord
	}
	info := p.b[p.i] & 0x1f
	rest := p.b[p.i+1:]
	if info < 24 {
		p.i++
		return uint64(info), nil
	}
	size := 1 << (info - 24)
	if info > 27 || len(rest) < size {
		return 0, errRecord
	}
	var n, least uint64
	switch size {
	case 1:
		n, least = uint64(rest[0]), 24
	case 2:
		n, least = uint64(binary.BigEndian.Uint16(rest)), math.MaxUint8+1
	case 4:
		n, least = uint64(binary.BigEndian.Uint32(rest)), math.MaxUint16+1
	case 8:
		n, least = binary.BigEndian.Uint64(rest), math.MaxUint32+1
	}
	if n < least {
		return 0, errRecord
	}
	p.i += 1 + size
	return n, nil
}
