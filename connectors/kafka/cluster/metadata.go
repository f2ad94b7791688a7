package cluster

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// An offset's metadata is text: the base64 of
//
//	version 1 || uvarint of next - last, or 0 if there is no last || the Gate's state
//
// Offsets that a tool has set have no metadata, and neither a last message nor
// a state.
const metadataVersion = 1

// maxMetadata is the size that brokers accept by default
// (offset.metadata.max.bytes), in bytes.
const maxMetadata = 4096

var errMetadata = errors.New("metadata of the offset is not ours")

var metadataText = base64.RawURLEncoding.Strict()

// AppendMetadata appends the metadata of p, which holds the rest of the
// position besides its Next. An error says that the state of p is larger than
// brokers accept.
func AppendMetadata(dst []byte, p *pipeline.Position) ([]byte, error) {
	raw := make([]byte, 1, 1+binary.MaxVarintLen64+len(p.State))
	raw[0] = metadataVersion
	distance := uint64(0)
	if p.Last >= 0 && p.Last < p.Next {
		distance = uint64(p.Next - p.Last)
	}
	raw = binary.AppendUvarint(raw, distance)
	raw = append(raw, p.State...)
	if n := metadataText.EncodedLen(len(raw)); n > maxMetadata {
		return nil, fmt.Errorf("%s: the state kept with the offset takes %d bytes, and brokers accept %d",
			p.Place, n, maxMetadata)
	}
	return metadataText.AppendEncode(dst, raw), nil
}

// ParseMetadata fills in the rest of p from the metadata of an offset. Place
// and Next of p are known.
func ParseMetadata(p *pipeline.Position, text string) error {
	p.Last, p.State = -1, nil
	if text == "" {
		return nil
	}
	raw, err := metadataText.DecodeString(text)
	if err != nil || len(raw) < 2 || raw[0] != metadataVersion {
		return fmt.Errorf("%s@%d: %w", p.Place, p.Next, errMetadata)
	}
	distance, n := binary.Uvarint(raw[1:])
	if n <= 0 || distance > uint64(p.Next) {
		return fmt.Errorf("%s@%d: %w", p.Place, p.Next, errMetadata)
	}
	if distance > 0 {
		p.Last = p.Next - int64(distance)
	}
	if len(raw) > 1+n {
		p.State = raw[1+n:]
	}
	return nil
}
