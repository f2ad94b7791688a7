package format

import (
	"context"
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// An ndjson line is one message:
//
//	{"key":"..","value":"..","headers":[["name","value"]],"time":"RFC 3339","subject":".."}
//
// key, value and subject that are not UTF-8 are written base64-encoded as
// key64, value64, subject64, a header's name or value as {"b64":".."}. A key
// that is null or absent is null. A null value is a tombstone; an absent value
// is an error, and so is any other field. Empty lines are passed over, and so
// is a byte order mark at the beginning.

// lineEncoder writes messages as ndjson.
type lineEncoder struct {
	lineOutput
	limits limits
}

func (e *lineEncoder) Append(dst []byte, m *pipeline.Message) ([]byte, error) {
	if err := e.limits.checkLine(m, len(m.Value)); err != nil {
		return dst, err
	}
	return appendLine(dst, m), nil
}

// lineOutput is all of an Encoder of lines but for Append: they need neither
// bytes around them nor a state.
type lineOutput struct{}

func (lineOutput) Begin(dst []byte) []byte                           { return dst }
func (lineOutput) End(_ context.Context, dst []byte) ([]byte, error) { return dst, nil }
func (lineOutput) AppendState(dst []byte) []byte                     { return dst }
func (lineOutput) Restore([]byte) error                              { return nil }

func appendLine(dst []byte, m *pipeline.Message) []byte {
	dst = append(dst, '{')
	if m.Key != nil {
		dst = append(appendField(dst, "key", m.Key), ',')
	}
	if m.Value == nil {
		dst = append(dst, `"value":null`...)
	} else {
		dst = appendField(dst, "value", m.Value)
	}
	if len(m.Headers) > 0 {
		dst = appendHeaders(dst, m.Headers)
	}
	if !m.Time.IsZero() {
		dst = append(dst, `,"time":"`...)
		dst = append(m.Time.UTC().AppendFormat(dst, time.RFC3339Nano), '"')
	}
	if m.Subject != nil {
		dst = appendField(append(dst, ','), "subject", m.Subject)
	}
	return append(dst, '}', '\n')
}

func appendField(dst []byte, name string, b []byte) []byte {
	dst = append(append(dst, '"'), name...)
	if utf8.Valid(b) {
		return appendString(append(dst, `":`...), b)
	}
	dst = append(dst, `64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, b), '"')
}

func appendHeaders(dst []byte, headers []pipeline.Header) []byte {
	dst = append(dst, `,"headers":[`...)
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(append(dst, '['), h.Name, utf8.ValidString(h.Name))
		if h.Value == nil {
			dst = append(dst, `,null]`...)
		} else {
			dst = append(appendText(append(dst, ','), h.Value, utf8.Valid(h.Value)), ']')
		}
	}
	return append(dst, ']')
}

// appendText writes a header's name or value.
func appendText[T string | []byte](dst []byte, s T, valid bool) []byte {
	if valid {
		return appendString(dst, []byte(s))
	}
	dst = append(dst, `{"b64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, []byte(s)), `"}`...)
}
