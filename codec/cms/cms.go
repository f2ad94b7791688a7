// Package cms writes and reads the bytes of an envelope: CMS's structure in
// CBOR, which is COSE (RFC 9052). docs/envelope.md is its specification.
//
// There are sixteen shapes: two profiles in two forms, with and without a
// coding and a signature. Everything before the ciphertext stands at fixed
// offsets (shape.go). Parse compares with the shapes. Bytes that fit none go
// through a strict reader on top of a CBOR library (strict.go): it says why
// they are refused, and reads envelopes with labels that are passed over. A
// fuzz target holds the two equal.
//
// The package must not see a key. It does not know how a recipient was wrapped,
// whether a tag or a signature verifies, or the meaning of a context; it moves
// bytes between Go values and the wire. It starts no goroutine.
//
//	cms.go           numbers, limits, errors, Header and Envelope
//	position.go      Position and Coding
//	shape.go         the layouts
//	words.go         comparing many bytes at fixed offsets
//	encode.go        Template: the head of envelopes under one DEK
//	aad.go           AAD: the associated data; Binding
//	parse.go         Parse and the parts of a stream
//	recipients.go    the recipients array
//	signature.go     the signature of a sealer, and the input of signatures
//	alike.go         Alike: the fast way for envelopes like the last one
//	cbor.go          heads of CBOR items
//	scan.go          limits and well-formedness, in byte order
//	strict*.go       the strict reader
package cms

import (
	"errors"
	"fmt"
)

// Private-use COSE numbers, labels and algorithms (docs/envelope.md, section
// 13).
const (
	LabelPosition  = -1935867906
	LabelChunking  = -1935867910
	LabelSignature = -1935867911
	LabelCoding    = -1935867912
	AlgA256GCM     = 3
	AlgChunked     = -1935867907

	// Labels from firstPassed down to lastPassed are passed over.
	firstPassed = -1935900673
	lastPassed  = -1935933440
)

// Sizes and limits in bytes, unless said otherwise (docs/envelope.md, section
// 11).
const (
	MinChunkSize     = 4 << 10
	MaxChunkSize     = 1 << 20
	MaxSingle        = 1 << 20 // coded payload in the single form
	MaxRecipients    = 16      // number of recipients
	MaxRecipientSize = 16 << 10
	MaxBound         = 1<<16 - 1 // number of headers
	maxHeaders       = 1 << 10   // of either map
	maxPassed        = 256       // of the value of a label that is passed over

	SourceSize     = 5
	PositionSize   = 28
	CommitmentSize = 32
	KIDSize        = 16
	MessageIDSize  = 16
	IVSize         = 12
	SignatureSize  = 80
	DictionarySize = 32 // SHA-256 of a dictionary
	chunkingSize   = MessageIDSize + 4
	codingSize     = 6
	tagSize        = 16

	// MaxSealedHead is more than any envelope that a Template makes has before
	// its ciphertext; MaxHead is more than any other has.
	MaxSealedHead = 256
	MaxHead       = 2*maxHeaders + 16
)

// The words for which a reader refuses an envelope (docs/envelope.md, section
// 10). Errors of this package wrap one of them and begin with the word.
var (
	ErrNotEnvelope = errors.New("not-an-envelope")
	ErrTruncated   = errors.New("truncated")
	ErrTooLarge    = errors.New("too-large")
	ErrMalformed   = errors.New("malformed")
	ErrUnsupported = errors.New("unsupported")
)

// Kind says which kind of payload an envelope seals. An envelope of one kind
// does not open as another.
type Kind uint8

// The kinds; the numbers are part of the associated data.
const (
	Value Kind = iota
	Tombstone
	KeyRecord
	EndOfArchive
	DictionaryRecord
)

// Header is the part before the ciphertext. Its slices alias the bytes it was
// parsed from.
type Header struct {
	ByReference bool
	Chunked     bool
	Coded       bool   // there is a Coding
	Protected   []byte // the bytes of the protected header, part of the associated data
	Position    Position
	Coding      Coding
	Commitment  []byte // CommitmentSize; nil by reference
	KID         []byte // KIDSize; nil in the self-contained profile
	IV          []byte // nil in the chunked form
	Signature   []byte // SignatureSize; nil if there is none
	MessageID   []byte // MessageIDSize; nil in the single form
	ChunkSize   int    // 0 in the single form
}

// CheckKind refuses a header that envelopes of a kind do not have (docs/
// envelope.md, section 10, step 7).
func (h *Header) CheckKind(kind Kind) error {
	if kind == Value {
		return nil
	}
	p := h.Position
	p.Created = 0
	switch {
	case h.Chunked, h.Coded:
		return fmt.Errorf("%w: in chunks or coded, and not a value", ErrMalformed)
	case kind == Tombstone:
		return nil
	case p != Position{}:
		return fmt.Errorf("%w: a position where none may be", ErrMalformed)
	case h.ByReference && kind != EndOfArchive:
		return fmt.Errorf("%w: a record by reference", ErrMalformed)
	}
	return nil
}

// Envelope is a whole parsed envelope. Its slices alias the bytes it was parsed
// from.
type Envelope struct {
	Header
	// Ciphertext is the single form's, tag included; nil in the chunked form.
	Ciphertext []byte
	// Segments are the chunked form's, each with its string head, without the
	// break at the end. Their sizes have been checked: Segments.Next never
	// fails.
	Segments Segments
	// Recipients is the encoded array, and all bytes that follow it:
	// ParseRecipients checks both. nil by reference.
	Recipients []byte
}
