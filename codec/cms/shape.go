package cms

import "encoding/binary"

// A shape is the layout of everything before the ciphertext: literal bytes and fields of fixed size.
type shape struct {
	byReference, chunked bool
	lead                 string // to the position
	position             int    // size of the position
	middle               string // after the position
	chunking             bool
	afterChunking        string
	kid                  bool
	afterKID             string
	iv                   bool
	protectedFrom        int // offset of the protected bytes
	protectedSize        int
}

const (
	position2 = "\x3a\x73\x63\x00\x01" // label position
	chunking2 = "\x3a\x73\x63\x00\x05" // label chunking
	chunked2  = "\x3a\x73\x63\x00\x02" // alg chunked
)

var shapes = [4]shape{
	{
		lead: "\xd8\x60\x84" + "\x58\x41" + "\xa2\x01\x03" + position2 + "\x58\x37", position: PositionSize + CommitmentSize,
		middle: "\xa1\x05\x4c", iv: true,
		protectedFrom: 5, protectedSize: 0x41,
	},
	{
		chunked: true,
		lead:    "\xd8\x60\x84" + "\x58\x5f" + "\xa3\x01" + chunked2 + position2 + "\x58\x37", position: PositionSize + CommitmentSize,
		middle: chunking2 + "\x54", chunking: true, afterChunking: "\xa0\x5f",
		protectedFrom: 5, protectedSize: 0x5f,
	},
	{
		byReference: true,
		lead:        "\xd0\x83" + "\x58\x20" + "\xa2\x01\x03" + position2 + "\x57", position: PositionSize,
		middle: "\xa2\x04\x50", kid: true, afterKID: "\x05\x4c", iv: true,
		protectedFrom: 4, protectedSize: 0x20,
	},
	{
		byReference: true, chunked: true,
		lead: "\xd0\x83" + "\x58\x3e" + "\xa3\x01" + chunked2 + position2 + "\x57", position: PositionSize,
		middle: chunking2 + "\x54", chunking: true, afterChunking: "\xa1\x04\x50", kid: true, afterKID: "\x5f",
		protectedFrom: 4, protectedSize: 0x3e,
	},
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

// shapeFor guesses the shape from the first bytes: the tag and the size of the protected header.
func shapeFor(b []byte) *shape {
	if len(b) < 5 {
		return nil
	}
	for i := range shapes {
		s := &shapes[i]
		if b[0] == s.lead[0] && int(b[s.protectedFrom-1]) == s.protectedSize {
			return s
		}
	}
	return nil
}

// read takes the header from the front of b and returns its size; ok is false if b is not of this shape.
func (s *shape) read(b []byte, h *Header) (n int, ok bool) {
	c := cursor{b: b, ok: true}
	c.literal(s.lead)
	position := c.take(s.position)
	c.literal(s.middle)
	*h = Header{ByReference: s.byReference, Chunked: s.chunked}
	if s.chunking {
		chunking := c.take(chunkingSize)
		c.literal(s.afterChunking)
		if c.ok {
			h.MessageID = chunking[:MessageIDSize]
			h.ChunkSize = int(binary.BigEndian.Uint32(chunking[MessageIDSize:]))
			c.ok = h.ChunkSize >= MinChunkSize && h.ChunkSize <= MaxChunkSize
		}
	}
	if s.kid {
		h.KID = c.take(KIDSize)
		c.literal(s.afterKID)
	}
	if s.iv {
		h.IV = c.take(ivSize)
	}
	if !c.ok {
		return 0, false
	}
	h.Protected = b[s.protectedFrom : s.protectedFrom+s.protectedSize]
	h.Position = readPosition(position)
	if !s.byReference {
		h.Commitment = position[PositionSize:]
	}
	return c.n, true
}

func readPosition(b []byte) (p Position) {
	copy(p.Place[:], b)
	p.Offset = binary.BigEndian.Uint64(b[PlaceSize:])
	p.Distance = binary.BigEndian.Uint32(b[PlaceSize+8:])
	p.Created = binary.BigEndian.Uint32(b[PlaceSize+12:])
	return p
}

// put writes the position over the first PositionSize bytes of b.
func (p *Position) put(b []byte) {
	_ = b[PositionSize-1]
	copy(b, p.Place[:])
	binary.BigEndian.PutUint64(b[PlaceSize:], p.Offset)
	binary.BigEndian.PutUint32(b[PlaceSize+8:], p.Distance)
	binary.BigEndian.PutUint32(b[PlaceSize+12:], p.Created)
}

// cursor walks over fixed parts; once something does not fit, ok stays false.
type cursor struct {
	b  []byte
	n  int
	ok bool
}

func (c *cursor) literal(s string) {
	if !c.ok || len(c.b)-c.n < len(s) || string(c.b[c.n:c.n+len(s)]) != s {
		c.ok = false
		return
	}
	c.n += len(s)
}

func (c *cursor) take(n int) []byte {
	if !c.ok || len(c.b)-c.n < n {
		c.ok = false
		return nil
	}
	c.n += n
	return c.b[c.n-n : c.n]
}
