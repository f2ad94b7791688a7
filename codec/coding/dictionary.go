package coding

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// HintSize is how many bytes of its hash an envelope shows of a dictionary.
const HintSize = 4

// NameSize is how many bytes of its hash a dictionary record is stored under.
const NameSize = 16

// Dictionary is text that payloads of a kind have in common, and tables for it
// (RFC 8878, section 5). It is made of plaintext, and to be protected like it.
// It is immutable and safe for concurrent use.
type Dictionary struct {
	bytes []byte
	sum   [sha256.Size]byte
	id    uint32
}

// dictionaryMagic is what a dictionary begins with; its id follows.
const dictionaryMagic = "\x37\xa4\x30\xec"

// ParseDictionary checks that b is a dictionary, and keeps a copy.
func ParseDictionary(b []byte) (*Dictionary, error) {
	switch {
	case len(b) > MaxDictionary:
		return nil, fmt.Errorf("a dictionary of %d bytes: at most %d are possible", len(b), MaxDictionary)
	case len(b) < 8 || string(b[:4]) != dictionaryMagic:
		return nil, errors.New("not a dictionary of zstd")
	}
	d := &Dictionary{bytes: bytes.Clone(b), sum: sha256.Sum256(b), id: binary.LittleEndian.Uint32(b[4:])}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderDicts(d.bytes))
	if err != nil { // the error may show bytes of the text
		return nil, errors.New("not a dictionary of zstd")
	}
	r.Close()
	return d, nil
}

// Bytes returns the dictionary as a file has it. They must not be changed.
func (d *Dictionary) Bytes() []byte { return d.bytes }

// Sum is the SHA-256 of the dictionary.
func (d *Dictionary) Sum() [sha256.Size]byte { return d.sum }

// Hint is what an envelope shows of the Sum.
func (d *Dictionary) Hint() [HintSize]byte { return [HintSize]byte(d.sum[:]) }

// Name is what a dictionary record is stored under.
func (d *Dictionary) Name() [NameSize]byte { return [NameSize]byte(d.sum[:]) }

// CheckSealing returns an error for a dictionary that cannot be sealed with:
// its Hint would say that there is none.
func (d *Dictionary) CheckSealing() error {
	if d.Hint() == [HintSize]byte{} {
		return errors.New("dictionary: its hash begins with four zero bytes; train another one")
	}
	return nil
}
