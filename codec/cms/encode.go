package cms

import "encoding/binary"

// Template is the head of envelopes under one DEK, written once and patched for each message. It ends
// where the IV goes (single form) or where the first segment goes (chunked form). It is not safe for concurrent use.
type Template struct {
	bytes    []byte
	shape    *shape
	position int // offset of the position in bytes
}

// NewTemplate lays out a self-contained template for a commitment of CommitmentSize bytes; by reference the
// first KIDSize bytes of it are the kid.
func NewTemplate(byReference, chunked bool, commitment []byte) *Template {
	s := shapeOf(byReference, chunked)
	t := &Template{shape: s, position: len(s.lead)}
	t.bytes = append(t.bytes, s.lead...)
	t.bytes = append(t.bytes, make([]byte, PositionSize)...)
	if !byReference {
		t.bytes = append(t.bytes, commitment[:CommitmentSize]...)
	}
	t.bytes = append(t.bytes, s.middle...)
	if s.chunking {
		t.bytes = append(t.bytes, make([]byte, chunkingSize)...)
		t.bytes = append(t.bytes, s.afterChunking...)
	}
	if s.kid {
		t.bytes = append(t.bytes, commitment[:KIDSize]...)
		t.bytes = append(t.bytes, s.afterKID...)
	}
	return t
}

// Set patches the position, and in the chunked form the message id and the chunk size.
func (t *Template) Set(p *Position, messageID []byte, chunkSize int) {
	p.put(t.bytes[t.position:])
	if t.shape.chunking {
		at := t.position + t.shape.position + len(t.shape.middle)
		copy(t.bytes[at:at+MessageIDSize], messageID)
		binary.BigEndian.PutUint32(t.bytes[at+MessageIDSize:], uint32(chunkSize))
	}
}

// Bytes is the head up to the IV or the first segment. It changes with the next Set.
func (t *Template) Bytes() []byte { return t.bytes }

// Protected is the part of Bytes that the tag covers.
func (t *Template) Protected() []byte {
	from := t.shape.protectedFrom
	return t.bytes[from : from+t.shape.protectedSize]
}

// AppendBytesHead appends the head of a byte string of n bytes: a ciphertext's or a segment's.
func AppendBytesHead(dst []byte, n int) []byte { return appendHead(dst, majorBytes, uint64(n)) }

// BytesHeadSize is how many bytes AppendBytesHead appends.
func BytesHeadSize(n int) int { return headSize(uint64(n)) }

// AppendBreak ends a chunked ciphertext.
func AppendBreak(dst []byte) []byte { return append(dst, cborBreak) }

// ByReference says which profile the template is of.
func (t *Template) ByReference() bool { return t.shape.byReference }
