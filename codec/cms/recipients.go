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
	AlgMLKEM        = -1935867909 // MLKEM768-X25519
	AlgVault        = -1935867913 // transit
	AlgGCPKMS       = -1935867914
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
	maxName         = 2048 // of a key at a service
	maxService      = 6144 // of a key that a service has wrapped
	mlkemSize       = 1168
	minRSA, maxRSA  = 2048 / 8, 4096 / 8
	ecdhProtected   = "\xa1\x01\x38\x1e"
	ecdhUnprotected = "\xa2\x04\x48" // { 4: kid 8, … }
	ecdhEphemeral   = "\x20\xa3\x01\x01\x20\x04\x21\x58\x20"
)

// isValid says whether r is of its kind's shape, also of a kind for which there
// is no code to unwrap it; unknown kinds are not.
func (r *Recipient) isValid() bool {
	kid, size := len(r.KID), len(r.Ciphertext)
	switch r.Alg {
	case AlgA256KW:
		return kid == kekKIDSize && size == wrappedSize
	case AlgECDHESA256KW:
		return kid == kekKIDSize && size == wrappedSize && len(r.Ephemeral) == ephemeralSize
	case AlgRSAOAEP256, AlgRSAOAEP512:
		return kid == kekKIDSize && size >= minRSA && size <= maxRSA
	case AlgMLKEM:
		return kid == kekKIDSize && size == mlkemSize
	case AlgAWSKMS, AlgVault, AlgGCPKMS:
		return kid >= 1 && kid <= maxName && size >= 1 && size <= maxService
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
	if out, ok := parseRecipientsFast(b, dst); ok {
		return out, nil
	}
	return parseRecipientsStrict(b, dst)
}

// parseRecipientsStrict reads the array with a CBOR library.
func parseRecipientsStrict(b []byte, dst []Recipient) ([]Recipient, error) {
	if err := checkWellFormed(b, 1); err != nil {
		return dst, err
	}
	raw, err := splitArray(b)
	switch {
	case err != nil:
		return dst, err
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

// parseRecipientsFast accepts what parseRecipientsStrict accepts if all
// recipients are of known kinds.
func parseRecipientsFast(b []byte, dst []Recipient) ([]Recipient, bool) {
	if len(b) == 0 || len(b) > MaxRecipientSize || b[0] <= majorArray || b[0] > majorArray|MaxRecipients {
		return dst, false
	}
	out, rest := dst, b[1:]
	for range int(b[0] &^ majorArray) {
		var r Recipient
		var ok bool
		if rest, ok = r.readFast(rest); !ok || !r.isValid() {
			return dst, false
		}
		out = append(out, r)
	}
	return out, len(rest) == 0
}

// readFast reads one recipient of a known kind and returns the bytes behind it.
func (r *Recipient) readFast(b []byte) (rest []byte, ok bool) {
	const plain, alike = "\x83\x40\xa2\x01", "\x83\x44" + ecdhProtected + ecdhUnprotected
	switch {
	case hasPrefix(b, plain):
		major, _, n, rest, err := scanHead(b[len(plain):])
		if err != nil || major != majorNint || headSize(n) != len(b)-len(plain)-len(rest) || n > 1<<32 {
			return nil, false
		}
		if len(rest) == 0 || rest[0] != 4 {
			return nil, false
		}
		r.Alg = -1 - int64(n)
		if r.KID, b, ok = readBytes(rest[1:]); !ok || r.Alg == AlgECDHESA256KW {
			return nil, false
		}
	case hasPrefix(b, alike):
		b = b[len(alike):]
		if len(b) < kekKIDSize+len(ecdhEphemeral)+ephemeralSize {
			return nil, false
		}
		r.Alg, r.KID, b = AlgECDHESA256KW, b[:kekKIDSize:kekKIDSize], b[kekKIDSize:]
		if !hasPrefix(b, ecdhEphemeral) {
			return nil, false
		}
		b = b[len(ecdhEphemeral):]
		r.Ephemeral, b = b[:ephemeralSize:ephemeralSize], b[ephemeralSize:]
	default:
		return nil, false
	}
	r.Ciphertext, rest, ok = readBytes(b)
	return rest, ok
}

// readBytes takes a byte string in its shortest form from the front of b.
func readBytes(b []byte) (value, rest []byte, ok bool) {
	n, head, ok := bytesHead(b)
	if !ok || len(b)-head < n {
		return nil, nil, false
	}
	return b[head : head+n : head+n], b[head+n:], true
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// BeforeRecipients returns the part of a self-contained envelope that stands
// before its recipients, and all of an envelope by reference. That is what a
// rewrapped copy has in common with the original. ok is false for bytes that
// are no envelope.
func BeforeRecipients(b []byte) (front []byte, ok bool) {
	var e Envelope
	if Parse(b, &e) != nil {
		return b, false
	}
	var known [MaxRecipients]Recipient
	if !e.ByReference {
		if _, err := ParseRecipients(e.Recipients, known[:0]); err != nil {
			return b, false
		}
	}
	return b[:len(b)-len(e.Recipients)], true
}

// sameEncoding says whether r, encoded anew, is raw: the whole check of a known
// kind's shape.
func sameEncoding(r *Recipient, raw []byte) bool {
	return r.isValid() && bytes.Equal(appendRecipient(nil, r), raw)
}

// CountRecipients returns how many recipients of all kinds an encoded array has
// that ParseRecipients accepts.
func CountRecipients(encoded []byte) int { return int(encoded[0] &^ majorArray) }

// HasTextKID tells whether the kid of a kind of recipient is text: that of a
// key service. It is a stranger's, and may be anything.
func HasTextKID(alg int64) bool { return alg == AlgAWSKMS || alg == AlgVault || alg == AlgGCPKMS }
