package format

import (
	"encoding/base64"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Check tells whether m can be written with a value of valueSize bytes, which
// may differ from m.Value while that still has to be transformed. Its error is
// a *pipeline.Reject with one of these reasons:
//
//	too-large  the record would be longer than MaxRecord
//	header     there are more headers than MaxHeaders
//	malformed  a time that ndjson cannot hold: outside the years 0 to 9999 (RFC 3339 section 1)
//	refused    a value that is no line: null, or with a line feed in it
//
// The length of a line depends on the bytes of the value, so it is exact if
// m.Value has valueSize bytes. Otherwise Check assumes the shortest form, and
// Encoder.Append may still refuse the message. Check is safe for concurrent
// use.
func (l *Layout) Check(m *pipeline.Message, valueSize int) error {
	switch l.format {
	case Seq:
		return l.limits.checkRecord(m, valueSize)
	case Lines:
		return l.limits.checkValue(m, valueSize)
	default:
		return l.limits.checkLine(m, valueSize)
	}
}

func (l limits) checkLine(m *pipeline.Message, valueSize int) error {
	if err := l.checkHeaders(m); err != nil {
		return err
	}
	if y := m.Time.UTC().Year(); !m.Time.IsZero() && (y < 0 || y > 9999) {
		err := fmt.Errorf("%w: a time outside the years of RFC 3339", ErrMalformed)
		return &pipeline.Reject{Reason: "malformed", Err: err}
	}
	if lineBound(m, valueSize) > l.record && lineSize(m, valueSize) > l.record {
		return rejectTooLarge("a line", l.record)
	}
	return nil
}

func (l limits) checkRecord(m *pipeline.Message, valueSize int) error {
	if err := l.checkHeaders(m); err != nil {
		return err
	}
	if 1+bodySize(m, valueSize) > l.record {
		return rejectTooLarge("a record", l.record)
	}
	return nil
}

func (l limits) checkHeaders(m *pipeline.Message) error {
	if len(m.Headers) > l.headers {
		return &pipeline.Reject{Reason: "header", Err: fmt.Errorf("header: more than %d of them", l.headers)}
	}
	return nil
}

func rejectTooLarge(part string, most int) error {
	err := fmt.Errorf("%w: %s of more than %d bytes", ErrTooLarge, part, most)
	return &pipeline.Reject{Reason: "too-large", Err: err}
}

// lineBound is an upper bound of the size of m's line, and cheap to compute.
func lineBound(m *pipeline.Message, valueSize int) int {
	const escaped, around = len(`\u0000`), 32
	n := len(m.Key) + len(m.Subject) + valueSize
	for _, h := range m.Headers {
		n += len(h.Name) + len(h.Value)
	}
	return escaped*n + around*(len(m.Headers)+5)
}

// lineSize returns the size of the line that appendLine makes of m, its line
// feed included.
func lineSize(m *pipeline.Message, valueSize int) int {
	n := len(`{"value":}`) + len("\n")
	switch {
	case m.Value == nil:
		n += len("null")
	case len(m.Value) == valueSize:
		n += fieldSize(m.Value)
	default:
		n += len(`""`) + valueSize
	}
	if m.Key != nil {
		n += len(`"key":,`) + fieldSize(m.Key)
	}
	if m.Subject != nil {
		n += len(`,"subject":`) + fieldSize(m.Subject)
	}
	if !m.Time.IsZero() {
		var text [len(time.RFC3339Nano)]byte
		n += len(`,"time":""`) + len(m.Time.UTC().AppendFormat(text[:0], time.RFC3339Nano))
	}
	if len(m.Headers) > 0 {
		n += len(`,"headers":[]`) + len(m.Headers) - 1
	}
	for _, h := range m.Headers {
		n += len(`[,]`) + textSize(h.Name, utf8.ValidString(h.Name))
		if h.Value == nil {
			n += len("null")
		} else {
			n += textSize(h.Value, utf8.Valid(h.Value))
		}
	}
	return n
}

func fieldSize(b []byte) int {
	if utf8.Valid(b) {
		return stringSize(b)
	}
	return len(`64""`) + base64.StdEncoding.EncodedLen(len(b))
}

func textSize[T string | []byte](s T, valid bool) int {
	if valid {
		return stringSize(s)
	}
	return len(`{"b64":""}`) + base64.StdEncoding.EncodedLen(len(s))
}

func stringSize[T string | []byte](s T) int {
	n := len(`""`) + len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\', c == '\n', c == '\r', c == '\t':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// bodySize returns the size of the body that appendBody makes of m.
func bodySize(m *pipeline.Message, valueSize int) int {
	ms := m.Time.UnixMilli()
	n := 1 + bytesSize(m.Key) + headSize(uint64(len(m.Headers))) + bytesSize(m.Subject)
	n += headSize(uint64(max(ms, -(ms + 1))))
	for _, h := range m.Headers {
		n += 1 + headSize(uint64(len(h.Name))) + len(h.Name) + bytesSize(h.Value)
	}
	if m.Value == nil {
		return n + 1
	}
	return n + headSize(uint64(valueSize)) + valueSize
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return headSize(uint64(len(b))) + len(b)
}

func headSize(n uint64) int {
	switch {
	case n < 24:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	case n <= math.MaxUint32:
		return 5
	default:
		return 9
	}
}
