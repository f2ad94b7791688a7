// Package cmsder writes and reads messages of the Cryptographic Message Syntax:
// AuthEnvelopedData (RFC 5083) with AES-256-GCM (RFC 5084), in DER or PEM. It
// is the format for partners with tools for CMS and none for COSE; docs/cms.md
// is for them.
//
// The reader is strict: DER and nothing else of BER, one form of each structure
// and no attributes, since attributes would say things about the content that
// nobody here would check. It compares and bounds lengths before anything is
// made, and returns slices of its input.
//
// The package must not see a key. It does not know how a recipient was wrapped
// or whether a tag verifies; it moves bytes between Go values and the wire. It
// starts no goroutine.
//
//	cmsder.go      limits, errors, Message and Recipient
//	oid.go         object identifiers
//	recognize.go   telling messages apart from other bytes
//	parse.go       Parse: the message
//	recipient.go   its recipients
//	algorithm.go   their algorithms
//	template.go    Template: the head of messages under one data key
//	alike.go       the fast way for messages like the last one
//	encode.go      recipients into DER
//	sharedinfo.go  the input of the key derivation of X25519
//	pem.go         PEM
//	codec.go       the package as a format of package exchange
package cmsder

import "github.com/streamcrypt/streamcrypt/codec/exchange"

// Sizes and limits in bytes, unless said otherwise.
const (
	NonceSize     = exchange.NonceSize
	TagSize       = exchange.TagSize
	EphemeralSize = 32 // a public key of X25519

	MaxRecipients       = exchange.MaxRecipients // number of recipients
	MaxRecipientSize    = 16 << 10
	MaxKeyID            = 64
	MaxUKM              = 64
	maxEncryptedKey     = 1 << 10
	aes256WrappedSize   = 40      // a data key of 32 bytes under AES key wrap
	maxContent          = 1 << 30 // so that no length overflows an int of 32 bits
	version0, version2  = 0, 2
	versionKeyAgreement = 3
	versionKEK          = 4
)

// Message is a parsed AuthEnvelopedData. Its slices alias the bytes that it was
// parsed from.
type Message struct {
	Recipients []Recipient
	Nonce      []byte // NonceSize
	Ciphertext []byte // as long as the payload
	Tag        []byte // TagSize; AES-256-GCM, no associated data

	front []byte // version and recipientInfos, as they stand
}

// Algorithm protects the data key for a recipient.
type Algorithm uint8

// The algorithms. A recipient of Other is well-formed as far as it was read,
// and nobody here can open it.
const (
	Other      Algorithm = iota
	KeyWrap              // AES-256 key wrap (RFC 3394, RFC 3565), a KEKRecipientInfo
	OAEPSHA256           // RSAES-OAEP with SHA-256 for both hashes and no label (RFC 3560), a KeyTransRecipientInfo
	OAEPSHA512           // the same with SHA-512
	X25519               // X25519, HKDF-SHA-256, AES-256 key wrap (RFC 8418), a KeyAgreeRecipientInfo
)

func (a Algorithm) String() string {
	switch a {
	case Other:
	case KeyWrap:
		return "AES-256 key wrap"
	case OAEPSHA256:
		return "RSA-OAEP with SHA-256"
	case OAEPSHA512:
		return "RSA-OAEP with SHA-512"
	case X25519:
		return "X25519"
	}
	return "another algorithm"
}

// Recipient is the data key, protected for one key. Of KeyID and Certificate
// exactly one is set, of an algorithm other than Other.
type Recipient struct {
	Algorithm Algorithm
	// KeyID is the subjectKeyIdentifier of a public key or the keyIdentifier of
	// an AES key, 1 to MaxKeyID bytes.
	KeyID []byte
	// Certificate is the DER of an IssuerAndSerialNumber: the sender named the
	// certificate of the public key and not the key.
	Certificate []byte

	Ephemeral    []byte // EphemeralSize; X25519 only
	UKM          []byte // user keying material of X25519; nil if there is none
	EncryptedKey []byte
}
