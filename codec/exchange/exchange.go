// Package exchange is the seam between streamcrypt and the formats of other
// tools, such as JWE: the little that a format has to bring with it to be
// sealed, opened and converted.
//
//	plaintext ─► internal/convert ─┬─ kekcache, chunker  keys, nonces, AES-GCM
//	                               └─ Template           bytes of a message
//	message   ─► internal/convert ─┬─ Codec.Parse        a strict reader
//	                               └─ kekcache           unwraps a key once
//
// A format is a package beside this one, codec/NAME, that has a Codec. It sees
// bytes and never a key; the one exception is its Derivation, which is handed
// the shared secret of a key agreement. Every format that fits here
//
//   - seals the payload with AES-256-GCM: a nonce of 12 bytes, a tag of 16;
//   - names or carries 1 to 16 recipients, for each of which the content key is
//     wrapped by one of the algorithms of package keys that are for local keys:
//     AlgA256KW, AlgRSAOAEP256, AlgRSAOAEP512, AlgECDHESA256KW.
//
// The package must not know any format, nor where messages come from.
package exchange

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/keys"
)

const (
	// MaxRecipients is how many recipients a message has at most.
	MaxRecipients = 16
	// NonceSize is the size of a nonce of AES-256-GCM in bytes.
	NonceSize = 12
	// TagSize is that of its tag.
	TagSize = 16
	// KIDSize is the size in bytes of the id of a local key.
	KIDSize = 8
)

// The errors of a Parse wrap one of these. Their texts are words of
// docs/errors.md.
var (
	// ErrNotEnvelope says that the input does not begin like a message of the
	// format.
	ErrNotEnvelope = errors.New("not-an-envelope")
	// ErrTruncated says that it does, and ends too early.
	ErrTruncated = errors.New("truncated")
	// ErrMalformed says that it does, and is none.
	ErrMalformed = errors.New("malformed")
	// ErrUnsupported says that a message is well-formed and needs something
	// that is not taken: another cipher, an extension, an algorithm that is
	// refused on purpose.
	ErrUnsupported = errors.New("unsupported")
	// ErrTooLarge says that a part is over a limit of its size or number.
	ErrTooLarge = errors.New("too-large")
)

// Format is one format of other tools.
type Format struct {
	// Name is the word for it in flags and errors: "jwe".
	Name string
	// Title names it in sentences: "JWE (RFC 7516)".
	Title string
	// Codec has its bytes.
	Codec Codec
	// Derive makes the key that wraps the content key of an agreement on
	// X25519.
	Derive keys.Derivation
	// Lacks says in a few words which guarantees of an envelope a message of
	// this format does not have; it is logged once a run.
	Lacks string
	// Grows says how much larger a payload becomes; "" if it hardly does.
	Grows string
	// Binary says that messages are not a line of text.
	Binary bool
}

// Codec writes and reads messages of one format. It is safe for concurrent use.
type Codec interface {
	// Recognizes tells at little cost whether b begins like a message of this
	// format. Parse then returns another error than ErrNotEnvelope.
	Recognizes(b []byte) bool
	// Parse reads a message strictly and fills m. Slices of m then alias b or
	// the memory of m. It panics on no input, and takes time and memory in
	// proportion to len(b).
	Parse(m *Message, b []byte) error
	// NewTemplate lays out messages under one content key, which has been
	// wrapped for these recipients: 1 to MaxRecipients.
	NewTemplate(recipients []keys.Wrapped) (Template, error)
}

// Template is everything that messages under one content key have in common. It
// is safe for concurrent use.
type Template interface {
	// AAD is the associated data of the tag. It must not be changed.
	AAD() []byte
	// MaxSize is the most bytes that Append appends for a payload of n bytes.
	MaxSize(n int) int
	// Append appends the message to dst. sealed is the ciphertext and the tag
	// behind it, and does not overlap with the spare capacity of dst.
	Append(dst, nonce, sealed []byte) []byte
}

// Message is a message that has been parsed. It is reused from one Parse to the
// next.
type Message struct {
	// Recipients are those of the algorithms that are taken. KID is KIDSize
	// bytes if the message names its key by the id of a local key, and else
	// nil: then any key of that kind may be the one. Ephemeral is the public
	// key of 32 bytes, and behind it the Party that the Derive of the format
	// asks for.
	Recipients []keys.Wrapped
	Nonce      []byte // NonceSize bytes
	AAD        []byte
	Sealed     []byte // the ciphertext, and the tag behind it
	// Memory belongs to the codec alone: decoded parts, and facts about the
	// message before. It is nil at first. With several formats it may be
	// that of another codec.
	Memory any
}
