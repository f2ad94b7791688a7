package kekcache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
)

// DefaultSkew is how far clocks may differ, unless configured.
const DefaultSkew = 5 * time.Minute

// keptSignatures is how many signatures are kept that have verified.
const keptSignatures = 4096

// signers decide whether a DEK is vouched for by one of the signers that are
// trusted. Without any, every DEK passes, and its signature is not looked at.
// A signature is verified once for a DEK.
type signers struct {
	codec   Codec
	context string
	trusted []keys.Verifier
	skew    time.Duration
	lenient bool // DEKs pass that nobody vouches for

	flights  flights[[sha256.Size]byte]
	mu       sync.Mutex
	verified *lru[[sha256.Size]byte, struct{}]
}

// Validity is when a DEK may have sealed: between the two times that its signer
// has signed, and a skew before and behind.
type Validity struct {
	from, until int64
	vouched     bool // a signer vouches for the DEK
}

// always is the Validity of a DEK that nobody has to vouch for.
var always = Validity{from: math.MinInt64, until: math.MaxInt64}

// Covers tells whether an envelope may have been created at this time, in unix
// seconds.
func (v Validity) Covers(created uint32) bool {
	return int64(created) >= v.from && int64(created) <= v.until
}

func newSigners(codec Codec, context string, trusted []keys.Verifier, skew time.Duration) (*signers, error) {
	switch {
	case slices.Contains(trusted, nil):
		return nil, errors.New("a signer is nil")
	case skew < 0:
		skew = 0
	case skew == 0:
		skew = DefaultSkew
	}
	return &signers{
		codec: codec, context: context, trusted: slices.Clone(trusted), skew: skew,
		verified: newLRU[[sha256.Size]byte, struct{}](keptSignatures, nil),
	}, nil
}

// areConfigured says that a DEK needs one of the signers to vouch for it.
func (s *signers) areConfigured() bool { return len(s.trusted) > 0 }

// check returns when a DEK may have sealed, and ErrUntrusted if none of the
// signers vouches for it, or not at the time at which it has (docs/envelope.md,
// section 17).
func (s *signers) check(d *Sealed) (Validity, error) {
	if !s.areConfigured() {
		return always, nil
	}
	valid, err := s.checkSignature(d)
	if err != nil && s.lenient {
		return always, nil
	}
	return valid, err
}

func (s *signers) checkSignature(d *Sealed) (Validity, error) {
	if len(d.Signature) == 0 {
		return Validity{}, fmt.Errorf("%w: no signature", ErrUntrusted)
	}
	signature := s.codec.ReadSignature(d.Signature)
	skew := int64(s.skew / time.Second)
	valid := Validity{int64(signature.From) - skew, int64(signature.Until) + skew, true}
	if err := s.verify(d, &signature); err != nil {
		return Validity{}, err
	}
	if !valid.Covers(d.Created) {
		return valid, errOutOfTime
	}
	return valid, nil
}

var errOutOfTime = fmt.Errorf("%w: sealed when the signature does not hold", ErrUntrusted)

// verify verifies a signature, unless that has been done before. Callers that
// meet a new DEK at the same moment wait for the first of them, as long as one
// verification takes. Of signatures that do not verify nothing is kept: they
// are a stranger's to choose.
func (s *signers) verify(d *Sealed, signature *Signature) error {
	name := sha256.Sum256(append(slices.Clone(d.Commitment), d.Signature...))
	return s.flights.doOnce(context.Background(), name, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, known := s.verified.get(name)
		return known
	}, func(context.Context) error { return s.verifyNew(name, d, signature) })
}

// verifyNew verifies a signature, and keeps its name.
func (s *signers) verifyNew(name [sha256.Size]byte, d *Sealed, signature *Signature) error {
	message := s.codec.AppendSignedMessage(nil, d.Commitment, s.context, signature.From, signature.Until)
	named := false
	for _, k := range s.trusted {
		if k.KID() != signature.KID {
			continue
		}
		named = true
		if k.Verify(message, signature.Bytes[:]) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.verified.put(name, struct{}{})
			return nil
		}
	}
	if named {
		return fmt.Errorf("%w: a signature that does not verify", ErrUntrusted)
	}
	return fmt.Errorf("%w: signed by %x", ErrUntrusted, signature.KID)
}
