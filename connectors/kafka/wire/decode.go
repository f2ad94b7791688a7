package wire

import "encoding/binary"

// decoder reads the fields of an answer. Once something was bad, everything is
// zero and stays so.
type decoder struct {
	b        []byte
	flexible bool
	bad      bool
}

func (d *decoder) fail() {
	d.b, d.bad = nil, true
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) int8() int8 {
	if b := d.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (d *decoder) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) uvarint() int {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n > 5 || v > 1<<31 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return int(v)
}

// raw reads a string as it stands in the answer; null is nil.
func (d *decoder) raw() []byte {
	if d.flexible {
		return d.lent(d.uvarint() - 1)
	}
	return d.lent(int(d.int16()))
}

func (d *decoder) string() string { return string(d.raw()) }

// bytes reads bytes as they stand in the answer; null is nil.
func (d *decoder) bytes() []byte {
	if d.flexible {
		return d.lent(d.uvarint() - 1)
	}
	return d.lent(int(d.int32()))
}

func (d *decoder) lent(n int) []byte {
	if n == -1 || d.bad {
		return nil
	}
	return d.take(n)
}

// array reads the length of an array, 0 for null. An item takes at least item
// bytes, so a length that the rest cannot hold is bad before anything is
// allocated for it.
func (d *decoder) array(item int) int {
	var n int
	if d.flexible {
		n = d.uvarint() - 1
	} else {
		n = int(d.int32())
	}
	if n == -1 || d.bad {
		return 0
	}
	if n < 0 || n > len(d.b)/item {
		d.fail()
		return 0
	}
	return n
}

// tags skips the tagged fields that end a struct of a flexible message.
func (d *decoder) tags() {
	if !d.flexible {
		return
	}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		d.uvarint()
		d.take(d.uvarint())
	}
}

// end is the error of the answer as a whole. Bytes behind it are an error too.
func (d *decoder) end() error {
	if d.bad || len(d.b) > 0 {
		return ErrMalformed
	}
	return nil
}
