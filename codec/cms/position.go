package cms

import (
	"encoding/binary"
	"fmt"
)

// Form is a set of masks that say how the rest of an envelope is to be read
// (docs/envelope.md, section 3).
type Form uint8

// The masks. All others are unsupported.
const (
	FormNamed         Form = 1 << iota // the bound headers are those of a list
	FormSamePartition                  // the sink keeps the source's partition number
	FormTime                           // the record's time is bound
	FormRising                         // terms rise along a place

	formUnknown = ^(FormNamed | FormSamePartition | FormTime | FormRising)
	formOfPlace = FormSamePartition | FormRising
)

// Position says where a message was stored before it was sealed, and how its
// envelope is bound. The zero Source says that there is no place.
type Position struct {
	Form      Form
	Source    [SourceSize]byte
	Partition uint16
	Term      uint64 // up to MaxTerm
	Offset    uint64 // up to MaxOffset
	Distance  uint32 // to the previous message of the place; 0: not ordered; Unknown: ordered, unknown
	Created   uint32 // the sealer's clock, seconds since 1970-01-01 UTC
	Bound     uint16 // how many headers are bound; 0 with FormNamed
}

// Limits of the fields of a Position.
const (
	MaxTerm   = 1<<40 - 1
	MaxOffset = 1<<48 - 1
	// Unknown is the Distance of an ordered message if the one before it is not
	// known, or too far away.
	Unknown = 1<<24 - 1
)

// readFrom reads the first PositionSize bytes of b. It writes field by field,
// since a struct that is returned is copied.
func (p *Position) readFrom(b []byte) {
	_ = b[PositionSize-1]
	p.Form = Form(b[0])
	p.Source = [SourceSize]byte(b[1:6])
	p.Partition = binary.BigEndian.Uint16(b[6:])
	p.Term = binary.BigEndian.Uint64(b[5:]) & MaxTerm
	p.Offset = binary.BigEndian.Uint64(b[11:]) & MaxOffset
	p.Distance = binary.BigEndian.Uint32(b[18:]) & Unknown
	p.Created = binary.BigEndian.Uint32(b[22:])
	p.Bound = binary.BigEndian.Uint16(b[26:])
}

// putInto writes the position over the first PositionSize bytes of b. Fields
// over their limits lose their upper bits.
func (p *Position) putInto(b []byte) {
	_ = b[PositionSize-1]
	// From back to front: a field of an odd size is written with some bytes
	// more, which the field in front of it then overwrites.
	binary.BigEndian.PutUint16(b[26:], p.Bound)
	binary.BigEndian.PutUint32(b[22:], p.Created)
	binary.BigEndian.PutUint32(b[18:], p.Distance)
	binary.BigEndian.PutUint64(b[11:], p.Offset)
	binary.BigEndian.PutUint64(b[5:], p.Term)
	binary.BigEndian.PutUint16(b[6:], p.Partition)
	b[0] = byte(p.Form)
	copy(b[1:], p.Source[:])
}

// AppendPosition appends the PositionSize bytes of p to dst.
func AppendPosition(dst []byte, p *Position) []byte {
	var b [PositionSize]byte
	p.putInto(b[:])
	return append(dst, b[:]...)
}

// ReadPosition reads what AppendPosition has written.
func ReadPosition(b *[PositionSize]byte) (p Position) {
	p.readFrom(b[:])
	return p
}

// check refuses values that a reader does not take (docs/envelope.md, section
// 10, 3g and 3h).
func (p *Position) check() error {
	switch {
	case p.Form&formUnknown != 0:
		return errForm
	case p.Form&FormNamed != 0 && p.Bound != 0:
		return errBoundNamed
	case p.Source == [SourceSize]byte{} && p.hasPlace():
		return errSource
	}
	return nil
}

var (
	errForm       = fmt.Errorf("%w: form", ErrUnsupported)
	errBoundNamed = fmt.Errorf("%w: a number of headers where they are named", ErrMalformed)
	errSource     = fmt.Errorf("%w: a place without a source", ErrMalformed)
)

// hasPlace says that another field of the place than the source is set.
func (p *Position) hasPlace() bool {
	return p.Form&formOfPlace != 0 || p.Partition != 0 || p.Term|p.Offset|uint64(p.Distance) != 0
}

// Coding says how a payload was coded before it was sealed (docs/envelope.md,
// section 16).
type Coding struct {
	Compression byte    // CompressionNone or CompressionZstd
	Padding     byte    // PaddingNone or PaddingMark
	Dictionary  [4]byte // the first bytes of its SHA-256; zero: none
}

// The codings.
const (
	CompressionNone = 0
	CompressionZstd = 1
	PaddingNone     = 0
	PaddingMark     = 1 // ISO/IEC 7816-4
)

func readCoding(b []byte) Coding {
	return Coding{Compression: b[0], Padding: b[1], Dictionary: [4]byte(b[2:6])}
}

func (c *Coding) putInto(b []byte) {
	b[0], b[1] = c.Compression, c.Padding
	copy(b[2:6], c.Dictionary[:])
}

// check refuses values that a reader does not take (docs/envelope.md, section
// 10, 3g and 3h).
func (c *Coding) check() error {
	switch {
	case c.Compression > CompressionZstd, c.Padding > PaddingMark:
		return fmt.Errorf("%w: coding", ErrUnsupported)
	case *c == Coding{}:
		return fmt.Errorf("%w: a coding that does nothing", ErrMalformed)
	case c.Compression == CompressionNone && c.Dictionary != [4]byte{}:
		return fmt.Errorf("%w: a dictionary without compression", ErrMalformed)
	}
	return nil
}
