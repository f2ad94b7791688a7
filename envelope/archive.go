package envelope

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// Sizes of the payload of an archive's end, without and with a signature, in
// bytes.
const (
	EndSize       = 61
	SignedEndSize = EndSize + keys.SignerKIDSize + keys.SignatureSize
)

// Where the flags of an end stand, and which there are (docs/envelope.md,
// section 9).
const (
	endFlags      = 20
	knownEndFlags = 3
)

var (
	errEndSize  = fmt.Errorf("%w: an end of another size than %d or %d bytes", cms.ErrMalformed, EndSize, SignedEndSize)
	errEndFlags = fmt.Errorf("%w: flags of an end", cms.ErrUnsupported)
	errEnd      = fmt.Errorf("%w: the end of the archive", kekcache.ErrUntrusted)
)

// SealEnd appends the envelope of an archive's end to dst. With a Signer the
// end is signed as well: it is then a proof to others, as a data key that is
// vouched for is not.
func (s *Sealer) SealEnd(ctx context.Context, dst []byte, end [EndSize]byte) ([]byte, error) {
	payload := end[:]
	if signer := s.options.Signer; signer != nil {
		signature, err := signer.Sign(cms.AppendArchiveInput(nil, s.options.Context, end[:]))
		if err != nil {
			return dst, fmt.Errorf("%s: %w", signer.Name(), err)
		}
		if len(signature) != keys.SignatureSize {
			return dst, errors.New(signer.Name() + ": a signature of another size")
		}
		kid := signer.KID()
		payload = append(append(payload, kid[:]...), signature...)
	}
	return s.Seal(ctx, dst, payload, Binding{Kind: EndOfArchive})
}

// OpenEnd opens the envelope of an archive's end. If the Opener has Signers,
// one of them must have signed the end itself.
func (o *Opener) OpenEnd(ctx context.Context, e []byte) (end [EndSize]byte, err error) {
	payload, err := o.Open(ctx, nil, e, Binding{Kind: EndOfArchive})
	if err != nil {
		return end, err
	}
	copy(end[:], payload)
	switch {
	case end[endFlags]&^knownEndFlags != 0:
		return [EndSize]byte{}, refuse(errEndFlags)
	case len(o.o.Signers) > 0 && !o.o.PassUntrusted && !o.isSignedEnd(payload):
		return [EndSize]byte{}, refuse(errEnd)
	}
	return end, nil
}

// isSignedEnd tells whether one of the signers has signed the payload of an
// end.
func (o *Opener) isSignedEnd(payload []byte) bool {
	if len(payload) != SignedEndSize {
		return false
	}
	end, signature := payload[:EndSize], payload[EndSize:]
	kid := binary.BigEndian.Uint64(signature)
	message := cms.AppendArchiveInput(nil, o.o.Context, end)
	for _, signer := range o.o.Signers {
		id := signer.KID()
		if binary.BigEndian.Uint64(id[:]) == kid && signer.Verify(message, signature[keys.SignerKIDSize:]) {
			return true
		}
	}
	return false
}

// BeforeRecipients returns the part of an envelope that stands before its
// recipients, and all of an envelope by reference: the bytes that rewrapping
// does not change. They stand for the sealed message in the digest of an
// archive. ok is false for bytes that are no envelope. Nothing is verified.
func BeforeRecipients(e []byte) (front []byte, ok bool) { return cms.BeforeRecipients(e) }

// IsEnvelope tells whether b begins as an envelope does. Nothing is verified.
func IsEnvelope(b []byte) bool {
	_, ok := ClaimedPosition(b)
	return ok
}

// ClaimedPosition returns the Position that stands in an envelope. ok is false
// for bytes that do not begin as an envelope does. Nothing is verified, and
// anyone can write an envelope with any Position: it tells messages apart where
// nobody has an interest to mix them up. Opened has one that is authenticated.
func ClaimedPosition(e []byte) (p Position, ok bool) {
	if len(e) < 2 || e[0] != 0xd0 && (e[0] != 0xd8 || e[1] != 0x60) {
		return p, false
	}
	var h cms.Header
	if _, ok = cms.ParseHead(e, &h); !ok {
		return p, false
	}
	decodePosition(&p, &h.Position)
	return p, true
}
