package route

import (
	"context"
	"encoding/base64"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// headerText is how a tombstone's envelope travels where header values are
// text: base64url without padding.
var headerText = base64.RawURLEncoding.Strict()

// fitted is a transform that knows the limits of its ends.
type fitted struct {
	pipeline.Transform
	textIn  bool // the source's header values are text, and it holds envelopes
	textOut bool // the sink's are, likewise
	// check refuses a message that the sink cannot carry. It is given the new
	// value, and its size. It may be nil.
	check func(m *pipeline.Message, size int) error

	// Memory of changed headers, until Reset: the headers of a message are lent
	// and stay as they were read.
	headers []pipeline.Header
	bytes   []byte
}

// Reset implements pipeline.Transform.
func (t *fitted) Reset() {
	clear(t.headers)
	t.headers, t.bytes = t.headers[:0], t.bytes[:0]
	t.Transform.Reset()
}

// Append implements pipeline.Transform.
func (t *fitted) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if t.textIn && m.Value == nil {
		t.recodeTombstone(m, func(dst, text []byte) ([]byte, error) { return headerText.AppendDecode(dst, text) })
	}
	out, err := t.Transform.Append(ctx, dst, m)
	if err != nil {
		return out, err
	}
	if m.Value == nil && t.textOut {
		t.recodeTombstone(m, func(dst, raw []byte) ([]byte, error) { return headerText.AppendEncode(dst, raw), nil })
	}
	if t.check == nil {
		return out, nil
	}
	if err := t.checkValue(m, out[len(dst):]); err != nil {
		clear(out[len(dst):])
		return dst, err
	}
	return out, nil
}

// checkValue asks the sink about m as it will be written: how long a text
// becomes depends on its content.
func (t *fitted) checkValue(m *pipeline.Message, value []byte) error {
	if m.Value == nil {
		return t.check(m, 0)
	}
	was := m.Value
	m.Value = value
	err := t.check(m, len(value))
	m.Value = was
	return err
}

// recodeTombstone puts the result of encode in the place of a tombstone's
// envelope. An envelope that encode refuses stays: it will be rejected as
// malformed.
func (t *fitted) recodeTombstone(m *pipeline.Message, encode func(dst, value []byte) ([]byte, error)) {
	sealed, ok := findTombstone(m)
	if !ok {
		return
	}
	from := len(t.bytes)
	out, err := encode(t.bytes, sealed)
	if err != nil {
		return
	}
	t.bytes = out
	start := len(t.headers)
	t.headers = append(t.headers, m.Headers...)
	m.Headers = t.headers[start:len(t.headers):len(t.headers)]
	for i := range m.Headers {
		if m.Headers[i].Name == transform.HeaderName {
			m.Headers[i].Value = out[from:len(out):len(out)]
			return
		}
	}
}

// findTombstone returns the envelope that a null value carries in its header.
func findTombstone(m *pipeline.Message) ([]byte, bool) {
	for i := range m.Headers {
		if m.Headers[i].Name == transform.HeaderName {
			return m.Headers[i].Value, true
		}
	}
	return nil, false
}
