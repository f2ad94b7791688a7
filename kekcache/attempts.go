package kekcache

import (
	"context"
	"errors"
	"fmt"
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
	var service *keys.Error
	if errors.As(err, &service) && service.Class == keys.BadWrap {
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
	case errors.Is(err, ErrUnknownKey):
		return 0
	case errors.Is(err, ErrWrongKey):
		return 1
	}
	return 2 // a KEK that cannot be used, and might have done it
}

// isAway says that err is of a key service that is away.
func isAway(err error) bool {
	var service *keys.Error
	return errors.As(err, &service) && service.Class == keys.Away
}
