package cms

import "encoding/binary"

// Template is the head of envelopes under one DEK, written once and patched for
// each message. It ends where the IV goes (single form) or where the first
// segment goes (chunked form). It is not safe for concurrent use.
type Template struct {
	bytes []byte
	shape *shape
}

// NewTemplate lays out a self-contained template for a commitment of
// CommitmentSize bytes; by reference the first KIDSize bytes of it are the kid.
func NewTemplate(byReference, chunked bool, commitment []byte) *Template {
	s := shapeOf(byReference, chunked)
	t := &Template{shape: s, bytes: make([]byte, s.ivAt)}
	copy(t.bytes, s.lead)
	copy(t.bytes[s.middleAt:], s.middle)
	copy(t.bytes[s.afterChunkingAt:], s.afterChunking)
	copy(t.bytes[s.afterKIDAt:], s.afterKID)
	if byReference {
		copy(t.bytes[s.kidAt:s.afterKIDAt], commitment)
	} else {
		copy(t.bytes[len(s.lead)+PositionSize:s.middleAt], commitment)
	}
	return t
}

// Set patches the position, and in the chunked form the message id and the
// chunk size.
func (t *Template) Set(p *Position, messageID []byte, chunkSize int) {
	p.putInto(t.bytes[len(t.shape.lead):])
	if t.shape.chunked {
		copy(t.bytes[t.shape.chunkingAt:t.shape.afterChunkingAt], messageID)
		binary.BigEndian.PutUint32(t.bytes[t.shape.chunkingAt+MessageIDSize:], uint32(chunkSize))
	}
}

// Bytes is the head up to the IV or the first segment. It changes with the next
// Set.
func (t *Template) Bytes() []byte { return t.bytes }

// Protected is the part of Bytes that the tag covers.
func (t *Template) Protected() []byte {
	return t.bytes[t.shape.protected[0]:t.shape.protected[1]]
}

// AppendBytesHead appends the head of a byte string of n bytes: a ciphertext's
// or a segment's.
func AppendBytesHead(dst []byte, n int) []byte { return appendHead(dst, majorBytes, uint64(n)) }

// BytesHeadSize is how many bytes AppendBytesHead appends.
func BytesHeadSize(n int) int { return headSize(uint64(n)) }

// AppendBreak ends a chunked ciphertext.
func AppendBreak(dst []byte) []byte { return append(dst, cborBreak) }

// ByReference says which profile the template is of.
func (t *Template) ByReference() bool { return t.shape.byReference }
