package proof

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// place is one place of the plaintext, as far as it has been compared. A place
// that only envelopes name has no name of its own.
type place struct {
	id    PlaceID
	index uint32
	name  string // of the plain side; "" if that has no such place
	// compacted says that the plain side deletes records out of the middle.
	compacted bool
	first     int64 // the first offset of this pass; -1: none yet
	kept      int64 // below it the plain side deleted records while it was read
	high      int64 // the last offset that was read in this pass; -1: none
	end       int64 // where the plain side ends
	sealedMax int64 // the highest offset of an envelope that opened; -1: none
	gaps      gaps
	highs     map[string]int64 // the highest offset in each place of the sealed side

	counts Counts
	found  [findings]origins
	// Sums modulo 2^256 of the digests of both sides.
	plainSum, sealedSum [DigestSize]byte
}

// stored is one place of the sealed side as it lies there.
type stored struct {
	name        string
	first, last int64
	end         int64
	compacted   bool
	records     int64
	bytes       int64
	hash        interface {
		Write(p []byte) (int, error)
		Sum(b []byte) []byte
	}
}

func newPlace(id PlaceID, index uint32) *place {
	return &place{id: id, index: index, first: -1, high: -1, sealedMax: -1, highs: map[string]int64{}}
}

// beginPass forgets everything that a pass notes for itself.
func (p *place) beginPass() {
	p.first, p.high, p.sealedMax, p.gaps = -1, -1, -1, nil
	clear(p.highs)
}

// note counts a finding and keeps its origin.
func (p *place) note(f Finding, place string, offset int64, reason string) {
	*p.counts.countOf(f)++
	p.found[f].add(place, offset, reason)
}

// addSum adds a digest modulo 2^256. The sum does not depend on the order.
func addSum(sum, digest *[DigestSize]byte) {
	carry := uint64(0)
	for i := DigestSize - 8; i >= 0; i -= 8 {
		var word uint64
		word, carry = bits.Add64(binary.BigEndian.Uint64(sum[i:]), binary.BigEndian.Uint64(digest[i:]), carry)
		binary.BigEndian.PutUint64(sum[i:], word)
	}
}

// addSum adds a digest to a sum that is worth to be kept.
func (c *Comparer) addSum(sum, digest *[DigestSize]byte) {
	if c.o.Digests {
		addSum(sum, digest)
	}
}

// NoteDeleted says that the plain side deleted records of a place before they
// were read, and that first is the lowest offset that was left.
func (c *Comparer) NoteDeleted(id PlaceID, first int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.placeOf(id)
	if err != nil {
		return err
	}
	p.kept = max(p.kept, first)
	return nil
}

func newStored(name string) *stored { return &stored{name: name, first: -1, hash: sha256.New()} }
