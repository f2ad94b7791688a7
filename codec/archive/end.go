package archive

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// EndSize is the size of an End in bytes, without its signature.
const EndSize = 61

// Flags of an End.
const (
	// FlagLost says that something before was lost or cut.
	FlagLost = 1
	// FlagUnverified says that the bytes before were not verified.
	FlagUnverified = 2
)

// End is what is sealed about the records that stand before it.
type End struct {
	ID     [16]byte // of the archive, random
	Number uint32   // of the end, from 1
	Flags  byte
	Count  uint64 // messages that stand before it
	Digest [32]byte
}

// Encode returns e as it is sealed: id 16 || number 4 || flags 1 || count 8 ||
// digest 32.
func (e *End) Encode() (b [EndSize]byte) {
	copy(b[:], e.ID[:])
	binary.BigEndian.PutUint32(b[16:], e.Number)
	b[20] = e.Flags
	binary.BigEndian.PutUint64(b[21:], e.Count)
	copy(b[29:], e.Digest[:])
	return b
}

// DecodeEnd is the reverse of Encode.
func DecodeEnd(b [EndSize]byte) End {
	return End{
		ID: [16]byte(b[:]), Number: binary.BigEndian.Uint32(b[16:]), Flags: b[20],
		Count: binary.BigEndian.Uint64(b[21:]), Digest: [32]byte(b[29:]),
	}
}

// DescribeFlags says what the flags mean; "" if none is set.
func (e *End) DescribeFlags() string {
	var all []string
	if e.Flags&FlagLost != 0 {
		all = append(all, "something before was lost or cut")
	}
	if e.Flags&FlagUnverified != 0 {
		all = append(all, "the bytes before were not verified")
	}
	return strings.Join(all, "; ")
}

// Receipt returns the receipt of the end.
func (e *End) Receipt() Receipt {
	return Receipt{ID: e.ID, Number: e.Number, Count: e.Count, Digest: e.Digest}
}

// Receipt names an end, so that a later look shows whether the archive was cut
// back or swapped.
type Receipt struct {
	ID     [16]byte
	Number uint32
	Count  uint64
	Digest [32]byte
}

// String returns the receipt as one line without its newline: id, number, count
// and digest in hexadecimal.
func (r Receipt) String() string {
	return fmt.Sprintf("%x %08x %016x %x", r.ID, r.Number, r.Count, r.Digest)
}

var errReceipt = errors.New("not a receipt: one line of id, number, count and digest in lower-case hexadecimal")

// ParseReceipt reads the line of a receipt, with its newline or without.
func ParseReceipt(line string) (r Receipt, err error) {
	parts := strings.Split(strings.TrimSuffix(line, "\n"), " ")
	if len(parts) != 4 {
		return r, errReceipt
	}
	for i, size := range []int{32, 8, 16, 64} {
		if len(parts[i]) != size || strings.ToLower(parts[i]) != parts[i] {
			return r, errReceipt
		}
	}
	_, err1 := hex.Decode(r.ID[:], []byte(parts[0]))
	number, err2 := strconv.ParseUint(parts[1], 16, 32)
	count, err3 := strconv.ParseUint(parts[2], 16, 64)
	_, err4 := hex.Decode(r.Digest[:], []byte(parts[3]))
	if errors.Join(err1, err2, err3, err4) != nil {
		return Receipt{}, errReceipt
	}
	r.Number, r.Count = uint32(number), count
	return r, nil
}
