package kekcache

import (
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// recordAttempts are the ways to unwrap a DEK that its key records offer.
type recordAttempts struct {
	attempts    *unwrapAttempts
	commitments [][chunker.CommitmentSize]byte // by the number of the record
}

func newRecordAttempts() *recordAttempts { return &recordAttempts{attempts: newAttempts()} }

// addRecord adds a key record.
func (r *recordAttempts) addRecord(codec Codec, keks []keys.Unwrapper, record []byte) error {
	commitment, encoded, err := codec.SplitRecord(record)
	if err != nil {
		return err
	}
	recipients, _, err := codec.ParseRecipients(encoded)
	if err != nil {
		return err
	}
	r.attempts.addRecipients(keks, recipients, len(r.commitments))
	r.commitments = append(r.commitments, [chunker.CommitmentSize]byte(commitment))
	return nil
}

// unwrapStored fills d from the first key record of kid in the store that has
// a commitment which verifies. Records that cannot be read or opened are passed
// over, since a later one may be wrapped for another KEK.
func (c *OpenKeys) unwrapStored(ctx context.Context, keks []keys.Unwrapper, kid [KIDSize]byte, d *dek) error {
	records, err := c.readRecords(ctx, kid)
	if err != nil {
		return err
	}
	r := newRecordAttempts()
	for _, record := range records {
		_ = r.addRecord(c.o.Codec, keks, record) // an unreadable record is as good as none
	}
	return c.unwrapRecords(ctx, r, kid[:], d)
}

// unwrapRecords fills d from the first record of kid with a commitment that
// verifies; after an error there is no key in d. It waits for
// services that are away, but only when no other KEK unwraps the key.
func (c *OpenKeys) unwrapRecords(ctx context.Context, r *recordAttempts, kid []byte, d *dek) error {
	return c.health.repeat(isAway).run(ctx, func() error {
		return r.attempts.tryPairs(ctx, func(p unwrapPair) error {
			if err := c.unwrapOnce(ctx, p, d); err != nil {
				return err
			}
			err := d.verifyCommitment(r.commitments[p.record][:])
			if string(r.commitments[p.record][:KIDSize]) != string(kid) {
				err = fmt.Errorf("%w: a key record of another kid", ErrWrongKey)
			}
			if err != nil {
				clear(d.key[:])
				r.attempts.refuseRecord(p.record)
			}
			return err
		})
	})
}

// readRecords reads the store, again and again while it is away.
func (c *OpenKeys) readRecords(ctx context.Context, kid [KIDSize]byte) (records [][]byte, err error) {
	err = c.health.repeat(nil).run(ctx, func() (err error) {
		began := c.observed.beginCall()
		records, err = c.o.Store.Get(ctx, kid)
		c.observed.noteCall(ctx, callGet, "", began, err)
		c.health.noteAnswer(ctx, storeDependency, err)
		return err
	})
	return records, err
}
