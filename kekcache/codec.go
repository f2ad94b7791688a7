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
	// which holds a lease of key. created is in unix seconds.
	SealRecord(key *Key, s *chunker.Sealer, context string, created uint32) ([]byte, error)
	// SplitRecord returns the commitment, of CommitmentSize bytes, and the
	// encoded recipients of a key record. Both alias record, and the recipients
	// are its end.
	SplitRecord(record []byte) (commitment, recipients []byte, err error)
	// ParseRecipients returns the recipients of known kinds, and how many there
	// are of all kinds. They may alias encoded.
	ParseRecipients(encoded []byte) (known []keys.Wrapped, all int, err error)
	// AppendRecipients appends the encoding of recipients to dst.
	AppendRecipients(dst []byte, recipients []keys.Wrapped) ([]byte, error)
}

var errNoCodec = errors.New("kekcache: no Codec: package envelope has it")

// replaceRecipients returns a copy of record with other encoded recipients in
// place of old, those that SplitRecord returned.
func replaceRecipients(record, old, recipients []byte) []byte {
	head := record[:len(record)-len(old)]
	out := make([]byte, 0, len(head)+len(recipients))
	return append(append(out, head...), recipients...)
}
