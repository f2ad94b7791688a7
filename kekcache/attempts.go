package kekcache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/streamcrypt/streamcrypt/keys"
)

// unwrapAttempts are the ways to unwrap one DEK, of which one is enough: a
// configured KEK and a wrapped key that it fits. They remember which KEKs have
// answered, so that after a wait only those that were away are asked again.
type unwrapAttempts struct {
	pairs  []unwrapPair // not asked yet in this try
	again  []unwrapPair // away in this try
	failed error        // the error that promises most, of those that have answered
}

// unwrapPair is a KEK and a wrapped key that it fits.
type unwrapPair struct {
	kek     keys.Unwrapper
	wrapped *keys.Wrapped
	record  int // the number of the key record it comes from; 0 for an envelope
}

func newAttempts() *unwrapAttempts { return &unwrapAttempts{failed: ErrUnknownKey} }

// addRecipients adds the recipients of an envelope, or of one key record. Each
// KEK is asked for one wrapped key at most, in the order in which the KEKs are
// configured.
func (u *unwrapAttempts) addRecipients(keks []keys.Unwrapper, recipients []keys.Wrapped, record int) {
	for _, kek := range keks {
		for i := range recipients {
			if kek.Fits(&recipients[i]) {
				u.pairs = append(u.pairs, unwrapPair{kek, &recipients[i], record})
				break
			}
		}
	}
}

// source is the name under which a result is kept: of one pair, of a kid, or of
// recipients that are what they should be.
type source struct {
	of   byte
	name [sha256.Size]byte
}

const (
	ofPair byte = iota
	ofAttempts
	ofKID
	ofKIDAtTime
	ofRecipients
	ofHint
)

// source names the pair. It is by that alone that a DEK is found again: the
// other recipients of an envelope, and its commitment, are a stranger's to
// choose, and each variation would cost a call (docs/envelope.md, section 4).
// The key context is that of the cache.
func (p *unwrapPair) source() (s source) {
	s.of = ofPair
	sum := sha256.New()
	p.addTo(sum)
	sum.Sum(s.name[:0])
	return s
}

func (p *unwrapPair) addTo(sum hash.Hash) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(p.wrapped.Alg))
	sum.Write(n[:])
	for _, part := range [...][]byte{[]byte(p.kek.Name()), p.wrapped.KID, p.wrapped.Ephemeral, p.wrapped.Ciphertext} {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		sum.Write(n[:])
		sum.Write(part)
	}
}

// sourceOf names all attempts together.
func (u *unwrapAttempts) source() (s source) {
	s.of = ofAttempts
	sum := sha256.New()
	for i := range u.pairs {
		u.pairs[i].addTo(sum)
	}
	sum.Sum(s.name[:0])
	return s
}

// tryPairs asks one KEK after the other until do succeeds for one. An error
// that isAway is worth another try, which goes on with the KEKs that were away.
// Otherwise it is the one that promises most; ErrUnknownKey means that none of
// the KEKs unwraps the key.
func (u *unwrapAttempts) tryPairs(ctx context.Context, do func(unwrapPair) error) error {
	var away error
	for len(u.pairs) > 0 {
		p := u.pairs[0]
		u.pairs = u.pairs[1:]
		err := do(p)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil: // the error says nothing about the key
			return ctx.Err()
		case isAway(err):
			away, u.again = err, append(u.again, p)
		default:
			u.noteFailure(err)
		}
	}
	u.pairs, u.again = u.again, nil
	if len(u.pairs) > 0 {
		return away
	}
	return u.failed
}

// refuseRecord has no KEK asked any more for keys of a record: one of them has
// been unwrapped, and is another key than the record says.
func (u *unwrapAttempts) refuseRecord(record int) {
	ofRecord := func(p unwrapPair) bool { return p.record == record }
	u.pairs = slices.DeleteFunc(u.pairs, ofRecord)
	u.again = slices.DeleteFunc(u.again, ofRecord)
}

func (u *unwrapAttempts) noteFailure(err error) {
	if isBadWrap(err) {
		err = fmt.Errorf("%w: %w", ErrUnknownKey, err)
	}
	if rankFailure(err) >= rankFailure(u.failed) {
		u.failed = err
	}
}

// rankFailure ranks errors: the more likely it is that a later try succeeds,
// the higher.
func rankFailure(err error) int {
	switch {
	case errors.Is(err, ErrUnknownKey), errors.Is(err, ErrUntrusted):
		return 0
	case errors.Is(err, ErrWrongKey):
		return 1
	}
	return 2 // a KEK that cannot be used, and might have done it
}

// isAway says that err is of a key service that is away.
func isAway(err error) bool { return isClass(err, keys.Away) }

// isBadWrap says that err is of a wrapped key that does not unwrap.
func isBadWrap(err error) bool { return isClass(err, keys.BadWrap) }

func isClass(err error, class keys.Class) bool {
	var service *keys.Error
	return errors.As(err, &service) && service.Class == class
}
