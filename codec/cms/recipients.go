package cms

import (
	"bytes"
	"fmt"
)

// Algorithms of recipients (docs/envelope.md, section 4).
const (
	AlgA256KW       = -5
	AlgECDHESA256KW = -31
	AlgRSAOAEP256   = -41
	AlgRSAOAEP512   = -42
	AlgAWSKMS       = -1935867908
)

// Recipient is a wrapped DEK. Its slices alias the bytes it was parsed from.
type Recipient struct {
	Alg        int64
	KID        []byte
	Ephemeral  []byte // AlgECDHESA256KW only
	Ciphertext []byte
}

const (
	kekKIDSize      = 8
	wrappedSize     = 40
	ephemeralSize   = 32
	maxARN          = 2048
	maxKMSBlob      = 6144
	minRSA, maxRSA  = 2048 / 8, 4096 / 8
	ecdhProtected   = "\xa1\x01\x38\x1e"
	ecdhUnprotected = "\xa2\x04\x48" // { 4: kid 8, … }
	ecdhEphemeral   = "\x20\xa3\x01\x01\x20\x04\x21\x58\x20"
)

// isValid says whether r is of its kind's shape; unknown kinds are not.
func (r *Recipient) isValid() bool {
	kid, size := len(r.KID), len(r.Ciphertext)
	switch r.Alg {
	case AlgA256KW:
		return kid == kekKIDSize && size == wrappedSize
	case AlgECDHESA256KW:
		return kid == kekKIDSize && size == wrappedSize && len(r.Ephemeral) == ephemeralSize
	case AlgRSAOAEP256, AlgRSAOAEP512:
		return kid == kekKIDSize && size >= minRSA && size <= maxRSA
	case AlgAWSKMS:
		return kid >= 1 && kid <= maxARN && size >= 1 && size <= maxKMSBlob
	}
	return false
}

// AppendRecipients appends the encoded array. It refuses more than
// MaxRecipients, more than MaxRecipientSize bytes, unknown kinds, and a
// recipient that is not of its kind's shape.
func AppendRecipients(dst []byte, recipients []Recipient) ([]byte, error) {
	if len(recipients) == 0 || len(recipients) > MaxRecipients {
		return dst, fmt.Errorf("%d recipients: 1 to %d are possible", len(recipients), MaxRecipients)
	}
	start := len(dst)
	out := appendHead(dst, majorArray, uint64(len(recipients)))
	for i := range recipients {
		r := &recipients[i]
		if !r.isValid() {
			return dst, fmt.Errorf("recipient %d: not of the shape of alg %d", i, r.Alg)
		}
		out = appendRecipient(out, r)
	}
	if size := len(out) - start; size > MaxRecipientSize {
		return dst, fmt.Errorf("%d bytes of recipients: at most %d are possible", size, MaxRecipientSize)
	}
	return out, nil
}

func appendRecipient(dst []byte, r *Recipient) []byte {
	dst = append(dst, majorArray|3)
	if r.Alg == AlgECDHESA256KW {
		dst = appendBytes(dst, []byte(ecdhProtected))
		dst = append(dst, ecdhUnprotected...)
		dst = append(dst, r.KID...)
		dst = append(dst, ecdhEphemeral...)
		dst = append(dst, r.Ephemeral...)
	} else {
		dst = append(dst, majorBytes, majorMap|2, 1)
		dst = appendHead(dst, majorNint, uint64(-1-r.Alg))
		dst = append(dst, 4)
		dst = appendBytes(dst, r.KID)
	}
	return appendBytes(dst, r.Ciphertext)
}

// ParseRecipients reads the encoded array strictly and appends the recipients
// of known kinds to dst; those of unknown kinds are checked for their form and
// left out. Nothing may follow the array.
func ParseRecipients(b []byte, dst []Recipient) ([]Recipient, error) {
	if err := checkWellFormed(b); err != nil {
		return dst, err
	}
	raw, err := splitArray(b)
	if err != nil {
		return dst, err
	}
	switch {
	case len(raw) == 0:
		return dst, fmt.Errorf("%w: no recipients", ErrMalformed)
	case len(b) > MaxRecipientSize:
		return dst, fmt.Errorf("%w: %d bytes of recipients", ErrTooLarge, len(b))
	}
	for i := range raw {
		r, known, err := parseRecipient(raw[i])
		if err != nil {
			return dst, fmt.Errorf("%w: recipient %d", err, i)
		}
		if known {
			dst = append(dst, r)
		}
	}
	return dst, nil
}

// sameEncoding says whether r, encoded anew, is raw: the whole check of a known
// kind's shape.
func sameEncoding(r *Recipient, raw []byte) bool {
	return r.isValid() && bytes.Equal(appendRecipient(nil, r), raw)
}

// CountRecipients returns how many recipients of all kinds an encoded array has
// that ParseRecipients accepts.
func CountRecipients(encoded []byte) int { return int(encoded[0] &^ majorArray) }
