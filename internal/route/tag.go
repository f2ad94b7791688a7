package route

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

var errNoEnvelope = errors.New("a null value without an envelope")

// appendTag appends the GCM tag of a message's envelope: of a chunked envelope
// the tag of the last segment.
func appendTag(dst []byte, m *pipeline.Message) ([]byte, error) {
	sealed := m.Value
	if sealed == nil {
		var ok bool
		if sealed, ok = findTombstone(m); !ok {
			return dst, errNoEnvelope
		}
	}
	return envelope.AppendTag(dst, sealed)
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
