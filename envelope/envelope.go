// Package envelope seals, opens and rewraps single messages in the format of docs/envelope.md.
//
// It is what a program without a broker imports:
//
//	sealer.Seal(ctx, dst, plaintext, &binding, position)   append style, on []byte
//	opener.Open(ctx, dst, envelope, &binding)
//	sealer.NewWriter / opener.NewReader                    for payloads larger than memory
//	rewrapper.Rewrap(ctx, dst, envelope)                   for other keys, without opening it; Copy for raw files
//
// It puts three packages together and adds no bytes of its own: codec/cms has the layout, chunker the cipher
// and the nonces, kekcache the keys. It must not know where messages come from: partitions, offsets and
// subjects are values that its caller hands in. It starts no goroutine. What it needs beside the standard
// library is one CBOR package.
package envelope

import (
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// Binding is what an envelope is tied to without being on the wire (docs/envelope.md, section 5).
type Binding = cms.Binding

// Bound is a message header that is part of a Binding.
type Bound = cms.Bound

// Position says where a message was stored before it was sealed (docs/envelope.md, section 3). Seal fills in
// Created.
type Position = cms.Position

// The kinds of what is sealed.
const (
	Value        = cms.Value
	Tombstone    = cms.Tombstone
	KeyRecord    = cms.KeyRecord
	EndOfArchive = cms.EndOfArchive
)

// Kind is what an envelope seals.
type Kind = cms.Kind

// DefaultChunkSize is the largest payload of the single form, unless configured, in bytes.
const DefaultChunkSize = 64 << 10

// Reason is the word for why an envelope was refused; docs/errors.md has the closed list.
type Reason string

// The reasons of this package.
const (
	ReasonMalformed   Reason = "malformed"
	ReasonUnsupported Reason = "unsupported"
	ReasonNotEnvelope Reason = "not-an-envelope"
	ReasonTooLarge    Reason = "too-large"
	ReasonUnknownKey  Reason = "unknown-key"
	ReasonWrongKey    Reason = "wrong-key"
	ReasonTampered    Reason = "tampered"
	ReasonTruncated   Reason = "truncated"
)

// Error is the refusal of an envelope. It begins with the reason and shows nothing of the message.
type Error struct {
	Reason Reason
	Err    error // wraps the cause; its text begins with the reason
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// causes are the sentinels of the packages below, in their words.
var causes = [...]struct {
	err    error
	reason Reason
}{
	{cms.ErrMalformed, ReasonMalformed},
	{cms.ErrUnsupported, ReasonUnsupported},
	{cms.ErrNotEnvelope, ReasonNotEnvelope},
	{cms.ErrTooLarge, ReasonTooLarge},
	{cms.ErrTruncated, ReasonTruncated},
	{kekcache.ErrUnknownKey, ReasonUnknownKey},
	{kekcache.ErrWrongKey, ReasonWrongKey},
	{kekcache.ErrWindow, ReasonTooLarge},
	{chunker.ErrTampered, ReasonTampered},
}

// refuse makes an *Error of what has a reason, and passes on the rest: keys that are gone, contexts that ended.
func refuse(err error) error {
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return &Error{Reason: c.reason, Err: err}
		}
	}
	return err
}

// tampered says in which chunk a tag did not verify.
func tampered(index uint32, chunked bool) error {
	if !chunked {
		return &Error{Reason: ReasonTampered, Err: chunker.ErrTampered}
	}
	return &Error{Reason: ReasonTampered, Err: fmt.Errorf("%w: chunk %d", chunker.ErrTampered, index)}
}

func toRecipients(wrapped []keys.Wrapped) []cms.Recipient {
	recipients := make([]cms.Recipient, len(wrapped))
	for i, w := range wrapped {
		recipients[i] = cms.Recipient(w)
	}
	return recipients
}

func toWrapped(recipients []cms.Recipient) []keys.Wrapped {
	wrapped := make([]keys.Wrapped, len(recipients))
	for i, r := range recipients {
		wrapped[i] = keys.Wrapped(r)
	}
	return wrapped
}
