package transform

import (
	"encoding/binary"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// mark is what a Gate needs of an envelope that has been opened. It travels in
// Message.Mark:
//
//	flags 1 || source 5 || partition 2 || term 8 || offset 8 || distance 4 || extra headers 4
type mark struct {
	flags    byte
	place    placeID
	term     uint64
	offset   uint64
	distance uint32
	extra    uint32 // headers that were not sealed
}

// Flags of a mark.
const (
	markOpened        = 1 << iota // an envelope was opened
	markVouched                   // see envelope.Opened
	markRising                    // terms rise along the place
	markSamePartition             // the envelope lies in the partition that it names
)

// writeMark notes the position of an envelope for the Gate.
func writeMark(m *pipeline.Message, o *envelope.Opened, extra int) {
	b := &m.Mark
	b[0] = markOpened
	if o.Vouched {
		b[0] |= markVouched
	}
	if o.Rising {
		b[0] |= markRising
	}
	if o.SamePartition {
		b[0] |= markSamePartition
	}
	copy(b[1:6], o.Source[:])
	binary.BigEndian.PutUint16(b[6:], o.Partition)
	binary.BigEndian.PutUint64(b[8:], o.Term)
	binary.BigEndian.PutUint64(b[16:], o.Offset)
	binary.BigEndian.PutUint32(b[24:], o.Distance)
	binary.BigEndian.PutUint32(b[28:], uint32(extra))
}

// read reads a mark; ok is false if no envelope was opened.
func (m *mark) read(b *[32]byte) (ok bool) {
	m.flags = b[0]
	m.place = placeID(binary.BigEndian.Uint64(b[:]) &^ (0xff << 56))
	if m.flags&markRising != 0 {
		m.place |= risingMask << 56
	}
	m.term = binary.BigEndian.Uint64(b[8:])
	m.offset = binary.BigEndian.Uint64(b[16:])
	m.distance = binary.BigEndian.Uint32(b[24:])
	m.extra = binary.BigEndian.Uint32(b[28:])
	return m.flags&markOpened != 0
}

// isVouched tells whether the data key is vouched for.
func (m *mark) isVouched() bool { return m.flags&markVouched != 0 }

// hasSource tells whether the envelope says where its message was stored.
func (m *mark) hasSource() bool { return m.place<<8>>24 != 0 }

// partition is the number in the position.
func (m *mark) partition() int { return int(uint16(m.place)) }

// SealedOrigin is where an envelope says that its message was stored before.
type SealedOrigin struct {
	Source       [5]byte // zero: the envelope does not say
	Partition    uint16
	Offset, Term uint64
	ExtraHeaders int // headers of the message that were not sealed
}

// ReadOrigin reads the origin of a message that Decrypt has opened; ok is false
// if there was no envelope.
func ReadOrigin(m *pipeline.Message) (o SealedOrigin, ok bool) {
	var read mark
	ok = read.read(&m.Mark)
	return SealedOrigin{
		Source: [5]byte(m.Mark[1:6]), Partition: uint16(read.partition()), Offset: read.offset, Term: read.term,
		ExtraHeaders: int(read.extra),
	}, ok
}
