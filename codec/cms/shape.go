package cms

import "encoding/binary"

// A shape is the layout of everything before the ciphertext: literal bytes and
// fields of fixed size, in the order of the fields below. The offsets follow
// from them.
type shape struct {
	byReference, chunked bool
	lead                 string // up to the position
	position             int    // size of the position
	middle               string
	chunking             int // size of the chunking header; 0 in the single form
	afterChunking        string
	kid                  int // size of the kid; 0 in the self-contained profile
	afterKID             string
	iv                   int // size of the IV; 0 in the chunked form

	protected               [2]int // from, to
	middleAt, chunkingAt    int
	afterChunkingAt         int
	kidAt, afterKIDAt, ivAt int
	size                    int
}

const (
	position2 = "\x3a\x73\x63\x00\x01" // label position
	chunking2 = "\x3a\x73\x63\x00\x05" // label chunking
	chunked2  = "\x3a\x73\x63\x00\x02" // alg chunked
)

var shapes = [4]shape{
	{
		lead:     "\xd8\x60\x84" + "\x58\x41" + "\xa2\x01\x03" + position2 + "\x58\x37",
		position: PositionSize + CommitmentSize, middle: "\xa1\x05\x4c", iv: ivSize,
		protected: [2]int{5, 5 + 0x41},
	},
	{
		chunked:  true,
		lead:     "\xd8\x60\x84" + "\x58\x5f" + "\xa3\x01" + chunked2 + position2 + "\x58\x37",
		position: PositionSize + CommitmentSize,
		middle:   chunking2 + "\x54", chunking: chunkingSize, afterChunking: "\xa0\x5f",
		protected: [2]int{5, 5 + 0x5f},
	},
	{
		byReference: true,
		lead:        "\xd0\x83" + "\x58\x20" + "\xa2\x01\x03" + position2 + "\x57", position: PositionSize,
		middle: "\xa2\x04\x50", kid: KIDSize, afterKID: "\x05\x4c", iv: ivSize,
		protected: [2]int{4, 4 + 0x20},
	},
	{
		byReference: true, chunked: true,
		lead: "\xd0\x83" + "\x58\x3e" + "\xa3\x01" + chunked2 + position2 + "\x57", position: PositionSize,
		middle: chunking2 + "\x54", chunking: chunkingSize, afterChunking: "\xa1\x04\x50",
		kid: KIDSize, afterKID: "\x5f",
		protected: [2]int{4, 4 + 0x3e},
	},
}

func init() {
	for i := range shapes {
		s := &shapes[i]
		s.middleAt = len(s.lead) + s.position
		s.chunkingAt = s.middleAt + len(s.middle)
		s.afterChunkingAt = s.chunkingAt + s.chunking
		s.kidAt = s.afterChunkingAt + len(s.afterChunking)
		s.afterKIDAt = s.kidAt + s.kid
		s.ivAt = s.afterKIDAt + len(s.afterKID)
		s.size = s.ivAt + s.iv
	}
}

func shapeOf(byReference, chunked bool) *shape {
	i := 0
	if byReference {
		i = 2
	}
	if chunked {
		i++
	}
	return &shapes[i]
}

// shapeFor guesses the shape from the first bytes: the tag and the size of the
// protected header.
func shapeFor(b []byte) *shape {
	if len(b) < 5 {
		return nil
	}
	switch {
	case b[0] == 0xd8 && b[4] == 0x41:
		return &shapes[0]
	case b[0] == 0xd8 && b[4] == 0x5f:
		return &shapes[1]
	case b[0] == 0xd0 && b[3] == 0x20:
		return &shapes[2]
	case b[0] == 0xd0 && b[3] == 0x3e:
		return &shapes[3]
	}
	return nil
}

// readHeader takes the header from the front of b and returns its size; ok is
// false if b is not of this shape.
func (s *shape) readHeader(b []byte, h *Header) (n int, ok bool) {
	if len(b) < s.size ||
		string(b[:len(s.lead)]) != s.lead ||
		string(b[s.middleAt:s.chunkingAt]) != s.middle ||
		string(b[s.afterChunkingAt:s.kidAt]) != s.afterChunking ||
		string(b[s.afterKIDAt:s.ivAt]) != s.afterKID {
		return 0, false
	}
	h.ByReference, h.Chunked = s.byReference, s.chunked
	h.Protected = b[s.protected[0]:s.protected[1]]
	h.Position = readPosition(b[len(s.lead):])
	h.Commitment, h.KID, h.IV, h.MessageID, h.ChunkSize = nil, nil, nil, nil, 0
	if s.byReference {
		h.KID = b[s.kidAt:s.afterKIDAt]
	} else {
		h.Commitment = b[len(s.lead)+PositionSize : s.middleAt]
	}
	if !s.chunked {
		h.IV = b[s.ivAt:s.size]
		return s.size, true
	}
	h.MessageID = b[s.chunkingAt : s.chunkingAt+MessageIDSize]
	h.ChunkSize = int(binary.BigEndian.Uint32(b[s.chunkingAt+MessageIDSize:]))
	return s.size, h.ChunkSize >= MinChunkSize && h.ChunkSize <= MaxChunkSize
}

func readPosition(b []byte) (p Position) {
	_ = b[PositionSize-1]
	copy(p.Place[:], b)
	p.Offset = binary.BigEndian.Uint64(b[PlaceSize:])
	p.Distance = binary.BigEndian.Uint32(b[PlaceSize+8:])
	p.Created = binary.BigEndian.Uint32(b[PlaceSize+12:])
	return p
}

// putInto writes the position over the first PositionSize bytes of b.
func (p *Position) putInto(b []byte) {
	_ = b[PositionSize-1]
	copy(b, p.Place[:])
	binary.BigEndian.PutUint64(b[PlaceSize:], p.Offset)
	binary.BigEndian.PutUint32(b[PlaceSize+8:], p.Distance)
	binary.BigEndian.PutUint32(b[PlaceSize+12:], p.Created)
}
