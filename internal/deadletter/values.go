package deadletter

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Values says how much of a message's value its letter has.
type Values string

const (
	// NoValues leaves values out.
	NoValues Values = "none"
	// HashedValues replaces each value by two headers, HeaderHash and
	// HeaderSize.
	HashedValues Values = "hash"
	// FullValues keeps each value as it was read, up to MaxValue bytes. A
	// longer one is hashed.
	FullValues Values = "full"
)

// MaxValue is the longest value that a letter keeps, in bytes.
const MaxValue = 1 << 20

// Headers of a letter that stand for a value which the letter has not.
const (
	// HeaderHash has the SHA-256 of the value in hex. A short value can be
	// guessed from it.
	HeaderHash = "streamcrypt-value-sha256"
	// HeaderSize has the bytes of the value in decimal.
	HeaderSize = "streamcrypt-value-size"
)

// limitValue makes a letter have as much of its value as it should.
func (v Values) limitValue(m *pipeline.Message) {
	switch {
	case m.Value == nil:
	case v == NoValues:
		m.Value = nil
	case v == HashedValues, len(m.Value) > MaxValue:
		hashValue(m)
	}
}

// hashValue replaces the value of a letter by headers.
func hashValue(m *pipeline.Message) {
	sum := sha256.Sum256(m.Value)
	m.Headers = append(slices.Clip(m.Headers),
		pipeline.Header{Name: HeaderHash, Value: hex.AppendEncode(nil, sum[:])},
		pipeline.Header{Name: HeaderSize, Value: strconv.AppendInt(nil, int64(len(m.Value)), 10)},
	)
	m.Value = nil
}
