package kekcache

import (
	"fmt"

	"github.com/streamcrypt/streamcrypt/keys"
)

// maxTries is how many records of a name are tried: anyone who can write to the
// store adds to their number. One that no KEK fits is no try: a DEK that was
// rewrapped often has many of them.
const maxTries = 16

var errOtherKID = fmt.Errorf("%w: a key record of another kid", ErrWrongKey)

// candidate is a record that may be tried.
type candidate struct {
	record     []byte
	sealed     Sealed
	valid      Validity
	recipients []keys.Wrapped // of known kinds
	all        int            // of all kinds
}

// front is the bytes before the recipients, which rewrapping keeps.
func (c *candidate) front() string { return string(c.record[:len(c.record)-len(c.sealed.Recipients)]) }

// recordFilter passes over the records of a name that are not to be tried
// (docs/envelope.md, section 8).
type recordFilter struct {
	codec Codec
	split func(record []byte) (Sealed, error) // refuses those of another name or kind
	check func(s *Sealed) (Validity, error)   // refuses those that nobody vouches for
	fits  func(recipients []keys.Wrapped, all int) bool
}

// findCandidates returns the records that may be tried, in their order, and no
// more than maxTries. failed is the word if there are none; it is nil if split
// refuses all of them.
func (f *recordFilter) findCandidates(records [][]byte) (found []candidate, failed error) {
	isUnfit := false
	for _, record := range records {
		s, err := f.split(record)
		if err != nil {
			continue
		}
		recipients, all, err := f.codec.ParseRecipients(s.Recipients)
		if err != nil {
			continue
		}
		valid, err := f.check(&s)
		switch {
		case err != nil:
			failed = err
			continue
		case !f.fits(recipients, all):
			isUnfit = true
			continue
		}
		found = append(found, candidate{record, s, valid, recipients, all})
		if len(found) == maxTries {
			break
		}
	}
	if isUnfit { // it promises more than one that nobody vouches for
		failed = ErrUnknownKey
	}
	return found, failed
}

// splitKeyRecord returns a function that takes a key record of kid apart.
func splitKeyRecord(codec Codec, kid [KIDSize]byte) func([]byte) (Sealed, error) {
	return func(record []byte) (Sealed, error) {
		s, err := codec.SplitRecord(record)
		if err == nil && [KIDSize]byte(s.Commitment) != kid {
			err = errOtherKID
		}
		return s, err
	}
}

// splitDictionary returns a function that takes a dictionary record apart that
// stands under a name. A key record of that kid is none.
func splitDictionary(codec Codec, name [KIDSize]byte) func([]byte) (Sealed, error) {
	return func(record []byte) (Sealed, error) {
		s, err := codec.SplitDictionary(record)
		if err == nil && [KIDSize]byte(s.Commitment) == name {
			err = errNoDictionary
		}
		return s, err
	}
}

// areFor tells whether one of the KEKs fits one of the recipients.
func areFor(keks []keys.Unwrapper, recipients []keys.Wrapped) bool {
	attempts := newAttempts()
	attempts.addRecipients(keks, recipients, 0)
	return len(attempts.pairs) > 0
}
