package route

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// A seq file ends with an envelope over how many messages it has and the digest of their tags (docs/envelope.md, section 9).
// What is made here is all that connectors/file knows of envelopes.

const endSize = 8 + 32

// sealedArchive is for a seq that is written. s is used for its end records only, by one goroutine at a time.
func sealedArchive(s *envelope.Sealer) format.Archive {
	return format.Archive{
		Tag: tag,
		SealEnd: func(ctx context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error) {
			end := append(binary.BigEndian.AppendUint64(make([]byte, 0, endSize), count), digest[:]...)
			return s.Seal(ctx, dst, end, &envelope.Binding{Kind: envelope.EndOfArchive}, envelope.Position{})
		},
	}
}

// openedArchive is for a seq that is read. o is used for its end records only, by one goroutine at a time.
func openedArchive(o *envelope.Opener) format.Archive {
	return format.Archive{
		Tag: tag,
		OpenEnd: func(ctx context.Context, record []byte) (uint64, [32]byte, error) {
			end, _, err := o.Open(ctx, nil, record, &envelope.Binding{Kind: envelope.EndOfArchive})
			switch {
			case err != nil:
				return 0, [32]byte{}, err
			case len(end) != endSize:
				return 0, [32]byte{}, fmt.Errorf("%w: an end record over %d bytes", format.ErrMalformed, len(end))
			}
			return binary.BigEndian.Uint64(end), [32]byte(end[8:]), nil
		},
	}
}

var errNoEnvelope = errors.New("a null value without an envelope")

// tag appends the GCM tag of a message's envelope: of a chunked one the last segment's.
func tag(dst []byte, m *pipeline.Message) ([]byte, error) {
	sealed := m.Value
	if sealed == nil {
		var ok bool
		if sealed, ok = tombstone(m); !ok {
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
	return append(dst, last[len(last)-chunker.TagSize:]...), nil // Parse refuses what is shorter than a tag
}

// tombstone returns the envelope that a null value carries in its header.
func tombstone(m *pipeline.Message) ([]byte, bool) {
	for i := range m.Headers {
		if m.Headers[i].Name == transform.HeaderName {
			return m.Headers[i].Value, true
		}
	}
	return nil, false
}
