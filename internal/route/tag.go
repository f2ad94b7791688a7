package route

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// This file is the only one of the package that looks into an envelope.

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
	var e cms.Envelope
	if err := cms.Parse(sealed, &e); err != nil {
		return dst, err
	}
	last := e.Ciphertext
	for rest := e.Segments; len(rest) > 0; {
		last, rest = rest.Next()
	}
	return append(dst, last[len(last)-chunker.TagSize:]...), nil // Parse refuses everything that is shorter than a tag
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
