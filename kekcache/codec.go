package kekcache

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// Codec writes and reads the parts of envelopes that say how a DEK is wrapped.
// Package envelope has the only one, and hands it in wherever it makes
// SealKeys, OpenKeys or RewrapKeys: envelope.NewSealKeys and its siblings.
type Codec interface {
	// SealRecord returns the key record of key for a context, sealed by s,
	// which holds a lease of key.
	SealRecord(key *Key, s *chunker.Sealer, context string) ([]byte, error)
	// SplitRecord takes a key record apart. The result aliases record, and the
	// recipients are its end.
	SplitRecord(record []byte) (Sealed, error)
	// SplitDictionary is SplitRecord for a dictionary record.
	SplitDictionary(record []byte) (Sealed, error)
	// ParseRecipients returns the recipients of known kinds, and how many there
	// are of all kinds. They may alias encoded.
	ParseRecipients(encoded []byte) (known []keys.Wrapped, all int, err error)
	// AppendRecipients appends the encoding of recipients to dst.
	AppendRecipients(dst []byte, recipients []keys.Wrapped) ([]byte, error)
	// EncodeSignature returns s as envelopes carry it, and ReadSignature reads
	// that.
	EncodeSignature(s *Signature) []byte
	ReadSignature(encoded []byte) Signature
	// AppendSignedMessage appends the message that a signature is over.
	AppendSignedMessage(dst, commitment []byte, context string, from, until uint32) []byte
}

// Sealed is what an envelope or a key record says of its DEK. Its slices are
// lent.
type Sealed struct {
	Commitment []byte // CommitmentSize bytes
	Signature  []byte // as Codec.EncodeSignature writes it; nil: none
	Recipients []byte // encoded
	Created    uint32 // unix seconds
}

// Signature says that a sealer vouches for a DEK.
type Signature struct {
	KID         [keys.SignerKIDSize]byte
	From, Until uint32 // unix seconds between which the DEK seals
	Bytes       [keys.SignatureSize]byte
}

var errNoCodec = errors.New("kekcache: no Codec: package envelope has it")

// replaceRecipients returns a copy of record with other encoded recipients in
// place of old, those that SplitRecord returned.
func replaceRecipients(record, old, recipients []byte) []byte {
	head := record[:len(record)-len(old)]
	out := make([]byte, 0, len(head)+len(recipients))
	return append(append(out, head...), recipients...)
}
