package cluster

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// An offset's metadata is text: the base64 of
//
//	version 2 || source 5 || uvarint of next - last, or 0 if there is no last || the Gate's state
//
// The source is a hash of the cluster's and the topic's id: an offset of a
// topic that was deleted and made again under its name is none. Offsets that a
// tool has set have no metadata, and neither a last message nor a state.
// Version 1 had no source, and Gates of another kind; it counts as no metadata.
const metadataVersion = 2

// SourceHash stands for a topic in the metadata of its offsets.
type SourceHash [5]byte

// maxMetadata is the size that brokers accept by default
// (offset.metadata.max.bytes), in bytes.
const maxMetadata = 4096

var errMetadata = errors.New("metadata of the offset is not ours")

// ErrOtherSource says that an offset was committed for another topic of this
// name, or in another cluster.
var ErrOtherSource = errors.New("the offset is one of another topic with this name")

// SourceHash returns what stands for the topic in the metadata of offsets.
func (t *Topic) SourceHash() (h SourceHash) {
	text := fmt.Appendf(nil, "%d:%s", len(t.cluster.id), t.cluster.id)
	if t.id == [16]byte{} { // brokers before Kafka 2.8 have no ids
		text = append(text, t.name...)
	} else {
		text = append(text, t.id[:]...)
	}
	sum := sha256.Sum256(text)
	copy(h[:], sum[:])
	return h
}

var metadataText = base64.RawURLEncoding.Strict()

// roomBesideState is how many bytes a Gate's state leaves for the rest. A
// longer distance is left out where it does not fit, so that the last message
// is not known.
const roomBesideState = 8

// AppendMetadata appends the metadata of p, which holds the rest of the
// position besides its Next. An error says that the state of p is larger than
// brokers accept.
func AppendMetadata(dst []byte, source SourceHash, p *pipeline.Position) ([]byte, error) {
	raw := make([]byte, 0, 1+len(source)+binary.MaxVarintLen64+len(p.State))
	raw = append(raw, metadataVersion)
	raw = append(raw, source[:]...)
	distance := uint64(0)
	if p.Last >= 0 && p.Last < p.Next {
		distance = uint64(p.Next - p.Last)
	}
	withDistance := binary.AppendUvarint(raw, distance)
	if len(withDistance) > roomBesideState && metadataText.EncodedLen(len(withDistance)+len(p.State)) > maxMetadata {
		withDistance = append(raw, 0)
	}
	raw = withDistance
	raw = append(raw, p.State...)
	if n := metadataText.EncodedLen(len(raw)); n > maxMetadata {
		return nil, fmt.Errorf("%s: the state kept with the offset takes %d bytes, and brokers accept %d",
			p.Place, n, maxMetadata)
	}
	return metadataText.AppendEncode(dst, raw), nil
}

// ParseMetadata fills in the rest of p from the metadata of an offset. Place
// and Next of p are known. The error is ErrOtherSource if the offset is not one
// of this source; after any other error the offset holds.
func ParseMetadata(p *pipeline.Position, source SourceHash, text string) error {
	p.Last, p.State = -1, nil
	if text == "" {
		return nil
	}
	raw, err := metadataText.DecodeString(text)
	if err != nil || len(raw) < 2+len(source) || raw[0] != metadataVersion {
		return fmt.Errorf("%s@%d: %w", p.Place, p.Next, errMetadata)
	}
	if raw = raw[1:]; SourceHash(raw[:len(source)]) != source {
		return fmt.Errorf("%s@%d: %w", p.Place, p.Next, ErrOtherSource)
	}
	raw = raw[len(source):]
	distance, n := binary.Uvarint(raw)
	if n <= 0 || distance > uint64(p.Next) {
		return fmt.Errorf("%s@%d: %w", p.Place, p.Next, errMetadata)
	}
	if distance > 0 {
		p.Last = p.Next - int64(distance)
	}
	if len(raw) > n {
		p.State = raw[n:]
	}
	return nil
}
