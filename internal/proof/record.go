package proof

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"time"
)

// DigestSize is the size of a digest in bytes.
const DigestSize = sha256.Size

// PlaceID tells apart the places of the plaintext, as positions in envelopes
// name them.
type PlaceID struct {
	Source    [5]byte // zero where one place is compared under any name
	Partition uint16
}

// Position is where the plaintext of a record is stored.
type Position struct {
	PlaceID
	Offset int64
	Term   uint64 // tells apart records that were stored at one offset
}

// Record is one record of a side, as far as it is compared.
type Record struct {
	// Place and Offset are where this record is stored, of whichever side it
	// is.
	Place  string
	Offset int64
	// At is where the plaintext of it is stored. It is valid if Placed is true.
	// Of an envelope that did not open it is a claim.
	At     Position
	Placed bool
	// Refused is the word for why an envelope did not open; "" if it did.
	Refused string
	// Digest is that of the plaintext: see Digester.
	Digest [DigestSize]byte
	// Key is the hash of the record key, for compacted places: see Digester.
	Key       uint64
	Tombstone bool // the value is null
	Bytes     int  // of key and value of the plaintext
	Stored    int  // bytes of the envelope
	// Sum is the SHA-256 of the envelope, if a report is to have it.
	Sum [sha256.Size]byte
	// Extra says that there are headers which nobody sealed.
	Extra bool
}

// Header is a header that is compared. A nil Value is null.
type Header struct {
	Name  string
	Value []byte
}

// Content is the plaintext of a record. A nil Key or Value is null.
type Content struct {
	Offset     int64 // of the plaintext
	Key, Value []byte
	Time       time.Time // the zero Time: it is not compared
	Headers    []Header
}

// Digester makes digests under a key, which must be secret: a digest under a
// known key would let everybody guess at the content. One goroutine uses it.
type Digester struct {
	mac     hash.Hash
	quick   cipher.AEAD // nil for one that makes lasting digests
	keys    hash.Hash
	scratch [sha256.Size]byte
	buf     []byte
}

// NewDigester returns a Digester under a key of 32 bytes.
func NewDigester(key []byte) *Digester {
	d := &Digester{mac: hmac.New(sha256.New, key)}
	d.mac.Write([]byte("streamcrypt/1 record keys"))
	d.keys = hmac.New(sha256.New, d.mac.Sum(nil))
	return d
}

// NewQuickDigester returns a Digester that takes less time.
// The key has 32 bytes, is random, and belongs to one comparison: the digests
// must not leave the process, and nothing else is made with the key.
//
// A digest is GMAC (NIST SP 800-38D) under one nonce, of 16 bytes. Without the
// secrecy of the digests a second one under the same nonce would betray the
// key. With it, two records of n blocks have the same digest with a probability
// of n in 2^128, also if somebody has chosen both.
func NewQuickDigester(key []byte) *Digester {
	d := NewDigester(key)
	d.mac.Reset()
	d.mac.Write([]byte("streamcrypt/1 quick digests"))
	block, err := aes.NewCipher(d.mac.Sum(nil))
	if err != nil {
		panic("proof: internal error: " + err.Error()) // the key has 32 bytes
	}
	if quick, err := cipher.NewGCM(block); err == nil { // in FIPS 140-only mode there is none, and HMAC remains
		d.quick = quick
	}
	return d
}

// maxQuick is the largest content that a quick digest is made of. It is copied,
// and that of larger ones is HMAC.
const maxQuick = 64 << 10

// Flags of the encoding of a record (docs/proof.md).
const (
	hasKey = 1 << iota
	hasValue
	hasTime
)

// SumContent returns the digest of a record: HMAC-SHA-256 over the encoding of
// docs/proof.md, or GMAC over it and 16 bytes of zeros.
func (d *Digester) SumContent(c *Content) (digest [DigestSize]byte) {
	var flags byte
	if c.Key != nil {
		flags |= hasKey
	}
	if c.Value != nil {
		flags |= hasValue
	}
	b := binary.BigEndian.AppendUint64(d.buf[:0], uint64(c.Offset))
	if !c.Time.IsZero() {
		flags |= hasTime
	}
	b = append(b, flags)
	if flags&hasTime != 0 {
		b = binary.BigEndian.AppendUint64(b, uint64(c.Time.UnixMilli()))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Key)))
	b = binary.BigEndian.AppendUint64(b, uint64(len(c.Value)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Headers)))
	for i := range c.Headers {
		h := &c.Headers[i]
		b = binary.BigEndian.AppendUint32(b, uint32(len(h.Name)))
		b = append(b, h.Name...)
		if h.Value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint32(append(b, 1), uint32(len(h.Value)))
		b = append(b, h.Value...)
	}
	if d.quick != nil && len(c.Key)+len(c.Value) <= maxQuick {
		b = append(append(b, c.Key...), c.Value...)
		d.quick.Seal(digest[:0], make([]byte, d.quick.NonceSize()), nil, b) //nolint:gosec // see NewQuickDigester
	} else {
		d.mac.Reset()
		d.mac.Write(b)
		d.mac.Write(c.Key)
		d.mac.Write(c.Value)
		digest = [DigestSize]byte(d.mac.Sum(d.scratch[:0]))
	}
	clear(b) // plaintext
	d.buf = b[:0]
	return digest
}

// SumKey returns the hash of a record key.
func (d *Digester) SumKey(key []byte) uint64 {
	d.keys.Reset()
	d.keys.Write(key)
	return binary.BigEndian.Uint64(d.keys.Sum(d.scratch[:0]))
}
