package wire

import (
	"encoding/binary"
	"math"
)

// encoder appends the fields of a request. A flexible one (KIP-482) has compact
// lengths and tagged fields.
type encoder struct {
	b        []byte
	flexible bool
	bad      bool // a string is too long
}

func (e *encoder) int8(v int8)   { e.b = append(e.b, byte(v)) }
func (e *encoder) int16(v int16) { e.b = binary.BigEndian.AppendUint16(e.b, uint16(v)) }
func (e *encoder) int32(v int32) { e.b = binary.BigEndian.AppendUint32(e.b, uint32(v)) }
func (e *encoder) int64(v int64) { e.b = binary.BigEndian.AppendUint64(e.b, uint64(v)) }

func (e *encoder) bool(v bool) {
	if v {
		e.int8(1)
	} else {
		e.int8(0)
	}
}

func (e *encoder) string(s string) {
	if e.flexible {
		e.b = binary.AppendUvarint(e.b, uint64(len(s))+1)
	} else {
		e.int16(int16(len(s)))
	}
	e.bad = e.bad || len(s) > math.MaxInt16
	e.b = append(e.b, s...)
}

// nullable writes null for an empty string.
func (e *encoder) nullable(s string) {
	switch {
	case s != "":
		e.string(s)
	case e.flexible:
		e.b = append(e.b, 0)
	default:
		e.int16(-1)
	}
}

// bytesLength writes the length of bytes that follow.
func (e *encoder) bytesLength(n int) { e.array(n) }

func (e *encoder) array(n int) {
	if e.flexible {
		e.b = binary.AppendUvarint(e.b, uint64(n)+1)
	} else {
		e.int32(int32(n))
	}
}

// nullArray writes the array that is null, which is not the same as an empty
// one.
func (e *encoder) nullArray() {
	if e.flexible {
		e.b = append(e.b, 0)
	} else {
		e.int32(-1)
	}
}

// tags ends a struct of a flexible message. We have no tagged fields to write.
func (e *encoder) tags() {
	if e.flexible {
		e.b = append(e.b, 0)
	}
}
