package archive

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
)

// Chain has the digests of the records of an archive so far. The zero Chain is
// not ready: use NewChain.
type Chain struct {
	count    uint64    // messages
	records  uint64    // in the section at hand, of all types
	section  hash.Hash // over the records since the last end
	sections hash.Hash // over the hashes of the sections before
	last     *End      // nil: none, or it was not verified
	ends     int       // ends so far, whether they were opened or not
	receipt  receiptCheck
	head     [5]byte // of the record at hand
}

// NewChain returns that of an empty archive. receipt may be nil.
func NewChain(receipt *Receipt) *Chain {
	return &Chain{section: sha256.New(), sections: sha256.New(), receipt: receiptCheck{want: receipt}}
}

// BeginRecord begins a record with a body of size bytes in its digested form.
// The body is written to the result.
func (c *Chain) BeginRecord(kind byte, size int) hash.Hash {
	c.head[0] = kind
	binary.BigEndian.PutUint32(c.head[1:], uint32(size))
	c.section.Write(c.head[:])
	c.records++
	if kind == TypeMessage {
		c.count++
	}
	return c.section
}

// Count returns how many messages there are so far.
func (c *Chain) Count() uint64 { return c.count }

// Last returns the last end; nil if there is none that has verified.
func (c *Chain) Last() *End { return c.last }

// HasEnds tells whether there was an end, verified or not.
func (c *Chain) HasEnds() bool { return c.ends > 0 }

// IsEnded tells whether an end is the last record.
func (c *Chain) IsEnded() bool { return c.ends > 0 && c.records == 0 }

// IsEmpty tells whether there was no record at all.
func (c *Chain) IsEmpty() bool { return c.ends == 0 && c.records == 0 }

// Print stands for everything so far.
func (c *Chain) Print() (sum [32]byte) {
	h := sha256.New()
	h.Write(c.sections.Sum(nil))
	h.Write(c.section.Sum(nil))
	h.Sum(sum[:0])
	return sum
}

// digest returns the digest of an end that stands here.
func (c *Chain) digest(id [16]byte, number uint32) (sum [32]byte) {
	section := c.section.Sum(nil)
	h := sha256.New()
	if number > 1 {
		h.Write(c.last.Digest[:])
		h.Write(section)
		h.Sum(sum[:0])
		return sum
	}
	h.Write([]byte("streamcrypt/1 archive"))
	h.Write(id[:])
	first := h.Sum(nil)
	state, _ := c.sections.(encoding.BinaryAppender).AppendBinary(nil)
	all := sha256.New()
	_ = all.(encoding.BinaryUnmarshaler).UnmarshalBinary(state) // it was written by the same package
	all.Write(section)
	h.Reset()
	h.Write(first)
	h.Write(all.Sum(nil))
	h.Sum(sum[:0])
	return sum
}

// NextEnd returns the end that goes on behind the last one, with further flags.
// id is used where a new archive id begins.
func (c *Chain) NextEnd(id [16]byte, flags byte) End {
	e := End{ID: id, Number: 1, Flags: flags, Count: c.count}
	switch {
	case c.last != nil:
		e.ID, e.Number, e.Flags = c.last.ID, c.last.Number+1, flags|c.last.Flags
	case c.ends > 0:
		e.Flags |= FlagUnverified
	}
	e.Digest = c.digest(e.ID, e.Number)
	return e
}

var (
	errNumber = errors.New("an end with another number than the next")
	errFlags  = errors.New("an end without the flags of the one before it")
	errNewID  = errors.New("an end of another archive")
	errCount  = errors.New("another number of messages than was sealed")
	errDigest = errors.New("not the messages that were sealed")
	// ErrUnconnected is the error of Check for an end that goes on behind one
	// that could not be opened.
	ErrUnconnected = errors.New("an end behind one that could not be opened")
)

// Check checks an end that stands here. It changes nothing.
func (c *Chain) Check(e *End) error {
	switch {
	case c.last == nil && c.ends == 0 && e.Number != 1:
		return errNumber
	case c.last == nil && c.ends > 0 && e.Number != 1:
		return ErrUnconnected
	case c.last != nil && e.ID == c.last.ID && (e.Number != c.last.Number+1 || e.Number == 0):
		return errNumber
	case c.last != nil && e.ID == c.last.ID && c.last.Flags&^e.Flags != 0:
		return errFlags
	case c.last != nil && e.ID != c.last.ID && (e.Number != 1 || e.Flags&FlagUnverified == 0):
		return errNewID
	case e.Count != c.count:
		return errCount
	case e.Digest != c.digest(e.ID, e.Number):
		return errDigest
	}
	return nil
}

// AddEnd notes that an end stands here; nil for one that was not opened.
func (c *Chain) AddEnd(e *End) {
	c.sections.Write(c.section.Sum(nil))
	c.section.Reset()
	c.records = 0
	c.ends++
	c.last = nil
	if e != nil {
		end := *e
		c.last = &end
		c.receipt.note(e)
	}
}

// The results of CheckReceipt.
var (
	// ErrSwapped says that no end of the archive is that of the receipt.
	ErrSwapped = errors.New("another archive than that of the receipt")
	// ErrCutBack says that the archive ends before the end of the receipt.
	ErrCutBack = errors.New("cut back to before the end of the receipt")
)

// CheckReceipt tells at the end of an archive whether it satisfies the receipt,
// if there is one.
func (c *Chain) CheckReceipt() error { return c.receipt.result() }

// receiptCheck holds a receipt against the ends of an archive.
type receiptCheck struct {
	want    *Receipt
	met     bool   // all four fit
	highest uint32 // number of an end with the id
}

func (r *receiptCheck) note(e *End) {
	if r.want == nil || e.ID != r.want.ID {
		return
	}
	r.met = r.met || e.Receipt() == *r.want
	r.highest = max(r.highest, e.Number)
}

func (r *receiptCheck) result() error {
	switch {
	case r.want == nil || r.met:
		return nil
	case r.highest > 0 && r.highest < r.want.Number:
		return ErrCutBack
	}
	return ErrSwapped
}

var errState = errors.New("not the state of an archive")

// AppendState appends everything that Restore needs to dst: count 8 || records
// 8 || ends 4 || receipt 4 || flags 1 [|| end 61] || two lengths and states.
func (c *Chain) AppendState(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(slices.Grow(dst, 512), c.count)
	dst = binary.BigEndian.AppendUint64(dst, c.records)
	dst = binary.BigEndian.AppendUint32(dst, uint32(c.ends))
	dst = binary.BigEndian.AppendUint32(dst, c.receipt.highest)
	var flags byte
	if c.receipt.met {
		flags |= 1
	}
	if c.last != nil {
		flags |= 2
	}
	dst = append(dst, flags)
	if c.last != nil {
		end := c.last.Encode()
		dst = append(dst, end[:]...)
	}
	for _, h := range [...]hash.Hash{c.section, c.sections} {
		at := len(dst)
		dst, _ = h.(encoding.BinaryAppender).AppendBinary(append(dst, 0)) // crypto/sha256 has no such error
		dst[at] = byte(len(dst) - at - 1)
	}
	return dst
}

// Restore takes over a state of AppendState, and returns the bytes behind it.
func (c *Chain) Restore(state []byte) (rest []byte, err error) {
	if len(state) < 25 {
		return nil, errState
	}
	n := NewChain(c.receipt.want)
	n.count, n.records = binary.BigEndian.Uint64(state), binary.BigEndian.Uint64(state[8:])
	n.ends = int(binary.BigEndian.Uint32(state[16:]))
	n.receipt.highest = binary.BigEndian.Uint32(state[20:])
	flags := state[24]
	n.receipt.met = flags&1 != 0
	state = state[25:]
	if flags&2 != 0 {
		if len(state) < EndSize {
			return nil, errState
		}
		end := DecodeEnd([EndSize]byte(state))
		n.last, state = &end, state[EndSize:]
	}
	for _, h := range []hash.Hash{n.section, n.sections} {
		if len(state) == 0 || len(state)-1 < int(state[0]) {
			return nil, errState
		}
		size := int(state[0])
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state[1 : 1+size]); err != nil {
			return nil, errState
		}
		state = state[1+size:]
	}
	*c = *n
	return state, nil
}
