// Package cms writes and reads the bytes of an envelope: CMS's structure in
// CBOR, which is COSE (RFC 9052). docs/envelope.md is its specification.
//
// There are four shapes, two profiles in two forms, and everything before the
// ciphertext stands at fixed offsets (shape.go). Parse compares with the
// shapes. Bytes that fit none go through a strict reader on top of a CBOR
// library (strict.go), which only has to say why. A fuzz target holds the two
// equal.
//
// The package must not see a key. It does not know how a recipient was wrapped,
// whether a tag verifies, or the meaning of a context; it moves bytes between
// Go values and the wire. It starts no goroutine.
//
//	cms.go           numbers, limits, errors, Header and Envelope
//	shape.go         the four layouts; Position on the wire
//	encode.go        Template: the head of envelopes under one DEK
//	aad.go           AAD: the associated data; Binding
//	parse.go         Parse and the parts of a stream
//	recipients.go    the recipients array
//	alike.go         Alike: the fast way for rewrapping
//	cbor.go          heads of CBOR items
//	scan.go          limits and well-formedness, in byte order
//	strict.go, strictheader.go   the strict reader
package cms

import "errors"

// Private-use COSE numbers, labels and algorithms (docs/envelope.md, section
// 13).
const (
	LabelPosition = -1935867906
	LabelChunking = -1935867910
	AlgA256GCM    = 3
	AlgChunked    = -1935867907
)

// Sizes and limits in bytes, unless said otherwise (docs/envelope.md, section
// 11).
const (
	MinChunkSize     = 4 << 10
	MaxChunkSize     = 1 << 20
	MaxSingle        = 1 << 20 // payload in the single form
	MaxRecipients    = 16      // number of recipients
	MaxRecipientSize = 16 << 10
	maxHeaders       = 1 << 10 // of either map

	PlaceSize      = 7
	PositionSize   = PlaceSize + 8 + 4 + 4
	CommitmentSize = 32
	KIDSize        = 16
	MessageIDSize  = 16
	chunkingSize   = MessageIDSize + 4
	ivSize         = 12
	tagSize        = 16

	// MaxHead is more than any envelope has before its ciphertext.
	MaxHead = 256
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
)

// Position is where a message was stored before it was sealed.
type Position struct {
	Place    [PlaceSize]byte
	Offset   uint64
	Distance uint32 // to the previous message of the place; 0: not ordered; Unknown: ordered, unknown
	Created  uint32 // the sealer's clock, seconds since 1970-01-01 UTC
}

// Unknown is the Distance of an ordered message if the one before it is not
// known.
const Unknown = ^uint32(0)

// Header is the part before the ciphertext. Its slices alias the bytes it was
// parsed from.
type Header struct {
	ByReference bool
	Chunked     bool
	Protected   []byte // the bytes of the protected header, part of the associated data
	Position    Position
	Commitment  []byte // CommitmentSize; nil by reference
	KID         []byte // KIDSize; nil in the self-contained profile
	IV          []byte // nil in the chunked form
	MessageID   []byte // MessageIDSize; nil in the single form
	ChunkSize   int    // 0 in the single form
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
