package cms

import "encoding/binary"

// A shape is the layout of everything before the ciphertext: literal bytes and
// fields of fixed size, at offsets that are the same in every envelope of the
// shape. Envelopes with passed-over labels have none.
type shape struct {
	byReference, chunked, coded, signed bool

	literals []literal
	words    []word // the literals, as matches compares them
	// Fields that the shape does not have are empty. The position has the
	// commitment behind it, in the self-contained profile.
	position, chunking, coding, kid, iv, signature span
	protected                                      span
	size                                           int
}

// literal is bytes that stand at an offset.
type literal struct {
	at   int
	text string
}

// span is where a field stands.
type span struct{ from, to int }

func (s span) of(b []byte) []byte { return b[s.from:s.to:s.to] }

const (
	positionLabel  = "\x3a\x73\x63\x00\x01"
	chunkingLabel  = "\x3a\x73\x63\x00\x05"
	signatureLabel = "\x3a\x73\x63\x00\x06"
	codingLabel    = "\x3a\x73\x63\x00\x07"
	chunkedAlg     = "\x3a\x73\x63\x00\x02"
)

// shapes are all layouts; shapeOf has their order.
var shapes = func() (all [16]shape) {
	for i := range all {
		all[i] = newShape(i&8 != 0, i&4 != 0, i&2 != 0, i&1 != 0)
	}
	return all
}()

func shapeOf(byReference, chunked, coded, signed bool) *shape {
	i := 0
	for _, is := range [...]bool{byReference, chunked, coded, signed} {
		i <<= 1
		if is {
			i |= 1
		}
	}
	return &shapes[i]
}

// newShape lays out one of the shapes (docs/envelope.md, section 2).
func newShape(byReference, chunked, coded, signed bool) shape {
	s := shape{byReference: byReference, chunked: chunked, coded: coded, signed: signed}
	position, tag := PositionSize+CommitmentSize, "\xd8\x60\x84"
	if byReference {
		position, tag = PositionSize, "\xd0\x83"
	}
	protected := 3 + len(positionLabel) + BytesHeadSize(position) + position // map, label 1, alg 3
	labels, alg := 2, "\x03"
	if chunked {
		labels, alg = labels+1, chunkedAlg
		protected += len(chunkedAlg) - 1 + len(chunkingLabel) + 1 + chunkingSize
	}
	if coded {
		labels++
		protected += len(codingLabel) + 1 + codingSize
	}
	s.addLiteral(tag + stringHead(protected))
	s.protected = span{s.size, s.size + protected}
	s.addLiteral(mapHead(labels) + "\x01" + alg)
	s.addField(&s.position, positionLabel, position)
	if chunked {
		s.addField(&s.chunking, chunkingLabel, chunkingSize)
	}
	if coded {
		s.addField(&s.coding, codingLabel, codingSize)
	}
	s.layUnprotected()
	if chunked {
		s.addLiteral("\x5f")
	}
	pattern := make([]byte, s.size)
	for _, l := range s.literals {
		copy(pattern[l.at:], l.text)
		s.words = appendWords(s.words, pattern, span{l.at, l.at + len(l.text)})
	}
	return s
}

func (s *shape) layUnprotected() {
	labels := 0
	for _, has := range [...]bool{s.byReference, !s.chunked, s.signed} {
		if has {
			labels++
		}
	}
	s.addLiteral(mapHead(labels))
	if s.byReference {
		s.addField(&s.kid, "\x04", KIDSize)
	}
	if !s.chunked {
		s.addField(&s.iv, "\x05", IVSize)
	}
	if s.signed {
		s.addField(&s.signature, signatureLabel, SignatureSize)
	}
}

// addLiteral puts text behind everything else.
func (s *shape) addLiteral(text string) {
	if n := len(s.literals); n > 0 && s.literals[n-1].at+len(s.literals[n-1].text) == s.size {
		s.literals[n-1].text += text
	} else {
		s.literals = append(s.literals, literal{s.size, text})
	}
	s.size += len(text)
}

// addField puts a label and its byte string behind everything else.
func (s *shape) addField(at *span, label string, size int) {
	s.addLiteral(label + stringHead(size))
	*at = span{s.size, s.size + size}
	s.size += size
}

// commitment is where the commitment stands, in the self-contained profile.
func (s *shape) commitment() span { return span{s.position.from + PositionSize, s.position.to} }

func mapHead(pairs int) string { return string([]byte{majorMap | byte(pairs)}) }

func stringHead(size int) string { return string(AppendBytesHead(nil, size)) }

// shapeFor guesses the shape from the size of the protected header and from the
// unprotected one; nil if there is none.
func shapeFor(b []byte) *shape {
	if len(b) < minHead {
		return nil
	}
	var i, at int
	switch {
	case b[0] == 0xd8:
		at = 5
	case b[0] == 0xd0:
		i, at = 8, 4
	default:
		return nil
	}
	size := int(b[at-1])
	for ; ; i += 2 {
		if s := &shapes[i]; s.protected.to-s.protected.from == size {
			break
		}
		if i&6 == 6 {
			return nil
		}
	}
	if at += size; at >= len(b) {
		return nil
	}
	// The number of unprotected labels tells whether one of them is the
	// signature.
	without := shapes[i].labelCount()
	switch int(b[at] &^ majorMap) {
	case without:
		return &shapes[i]
	case without + 1:
		return &shapes[i+1]
	}
	return nil
}

// minHead is less than any envelope has before its ciphertext.
const minHead = 40

// labelCount is how many unprotected labels a shape without a signature has.
func (s *shape) labelCount() int {
	n := 0
	if s.byReference {
		n++
	}
	if !s.chunked {
		n++
	}
	return n
}

// readHeader takes the header from the front of b; ok is false if b is not of
// this shape.
func (s *shape) readHeader(b []byte, h *Header) (ok bool) {
	if len(b) < s.size || !s.matches(b) {
		return false
	}
	h.ByReference, h.Chunked, h.Coded = s.byReference, s.chunked, s.coded
	h.Protected = s.protected.of(b)
	h.Position.readFrom(b[s.position.from:])
	if h.Position.check() != nil {
		return false
	}
	if s.byReference {
		h.KID, h.Commitment = s.kid.of(b), nil
	} else {
		h.KID, h.Commitment = nil, s.commitment().of(b)
	}
	h.Signature, h.Coding = nil, Coding{}
	if s.signed {
		h.Signature = s.signature.of(b)
	}
	if s.coded {
		h.Coding = readCoding(s.coding.of(b))
		if h.Coding.check() != nil {
			return false
		}
	}
	if !s.chunked {
		h.IV, h.MessageID, h.ChunkSize = s.iv.of(b), nil, 0
		return true
	}
	chunking := s.chunking.of(b)
	h.IV, h.MessageID = nil, chunking[:MessageIDSize:MessageIDSize]
	h.ChunkSize = int(binary.BigEndian.Uint32(chunking[MessageIDSize:]))
	return h.ChunkSize >= MinChunkSize && h.ChunkSize <= MaxChunkSize
}

// matches compares the literals. b has at least size bytes.
func (s *shape) matches(b []byte) bool { return haveWords(b, s.words) }
