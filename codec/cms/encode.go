package cms

import "encoding/binary"

// Template is the head of envelopes under one DEK, written once and patched for
// each message. It ends where the IV goes (single form) or where the first
// segment goes (chunked form). It is not safe for concurrent use.
type Template struct {
	bytes    []byte
	shape    *shape
	position []byte // in bytes
	after    []byte // what stands between IV and ciphertext
}

// Layout says which envelopes a Template makes.
type Layout struct {
	ByReference bool
	Chunked     bool
	Coded       bool
	Commitment  []byte // CommitmentSize; by reference the first KIDSize bytes of it are the kid
	Signature   []byte // SignatureSize; nil: none. It must be nil by reference
}

// NewTemplate lays out a template. It keeps nothing of l.
func NewTemplate(l Layout) *Template {
	s := shapeOf(l.ByReference, l.Chunked, l.Coded, l.Signature != nil)
	b := make([]byte, s.size)
	for _, part := range s.literals {
		copy(b[part.at:], part.text)
	}
	copy(s.signature.of(b), l.Signature)
	if l.ByReference {
		copy(s.kid.of(b), l.Commitment)
	} else {
		copy(b[s.position.from+PositionSize:s.position.to], l.Commitment)
	}
	t := &Template{shape: s, bytes: b, position: b[s.position.from:s.position.to]}
	if !l.Chunked {
		t.bytes, t.after = b[:s.iv.from:s.iv.from], b[s.iv.to:]
	}
	return t
}

// SetPosition patches the position.
func (t *Template) SetPosition(p *Position) { p.putInto(t.position) }

// SetCoding patches the coding of a coded template.
func (t *Template) SetCoding(c *Coding) { c.putInto(t.shape.coding.of(t.bytes)) }

// SetChunking patches the message id and the chunk size, in the chunked form.
func (t *Template) SetChunking(messageID []byte, chunkSize int) {
	b := t.shape.chunking.of(t.bytes)
	copy(b[:MessageIDSize], messageID)
	binary.BigEndian.PutUint32(b[MessageIDSize:], uint32(chunkSize))
}

// Bytes is the head up to the IV or the first segment. It changes with the next
// Set.
func (t *Template) Bytes() []byte { return t.bytes }

// AfterIV stands between the IV and the ciphertext: the signature, if there is
// one. It is empty in the chunked form.
func (t *Template) AfterIV() []byte { return t.after }

// Protected is the part of Bytes that the tag covers.
func (t *Template) Protected() []byte { return t.shape.protected.of(t.bytes) }

// AppendBytesHead appends the head of a byte string of n bytes: a ciphertext's
// or a segment's.
func AppendBytesHead(dst []byte, n int) []byte { return appendHead(dst, majorBytes, uint64(n)) }

// BytesHeadSize is how many bytes AppendBytesHead appends.
func BytesHeadSize(n int) int { return headSize(uint64(n)) }

// AppendBreak ends a chunked ciphertext.
func AppendBreak(dst []byte) []byte { return append(dst, cborBreak) }

// ByReference says which profile the template is of.
func (t *Template) ByReference() bool { return t.shape.byReference }
