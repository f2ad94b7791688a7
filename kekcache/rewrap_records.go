package kekcache

import (
	"cmp"
	"context"

	"github.com/streamcrypt/streamcrypt/keys"
)

// rewrapStored sees to it that kid has a record for the new KEKs: in a file,
// where records are rewrapped in their places, or else in the store. Stores are
// append-only: the new record stands behind those before it, and differs in its
// recipients.
func (c *RewrapKeys) rewrapStored(ctx context.Context, place string, kid [KIDSize]byte, r *Rewrapped) error {
	if kept := c.kept.find(kid); len(kept) > 0 {
		_, err := c.rewrapFirst(ctx, place, kid, kept, r)
		if err == nil || !isRefusal(err) || c.o.Store == nil {
			return err
		}
	}
	if c.o.Store == nil {
		return ErrUnknownKey
	}
	records, err := c.readRecords(ctx, kid)
	if err != nil {
		return err
	}
	if done, err := c.findDone(ctx, place, kid, records, r); done || err != nil {
		return err
	}
	rewrapped, err := c.rewrapFirst(ctx, place, kid, records, r)
	if err != nil || r.Already {
		return err
	}
	return c.putRecord(ctx, kid, rewrapped)
}

// findDone looks for a record that is for the new KEKs. One that must verify,
// and does not, is as good as none.
func (c *RewrapKeys) findDone(
	ctx context.Context, place string, kid [KIDSize]byte, records [][]byte, r *Rewrapped,
) (bool, error) {
	filter := c.filterRecords(splitKeyRecord(c.o.Codec, kid))
	filter.fits = c.areDone
	found, _ := filter.findCandidates(records)
	for i := range found {
		switch _, err := c.rewrapCandidate(ctx, place, &found[i], r); {
		case err == nil:
			return true, nil
		case !isRefusal(err):
			return false, err
		}
	}
	return false, nil
}

// rewrapFirst fills r from the first record that can be rewrapped, and returns
// it with the new recipients.
func (c *RewrapKeys) rewrapFirst(
	ctx context.Context, place string, kid [KIDSize]byte, records [][]byte, r *Rewrapped,
) ([]byte, error) {
	found, unfit := c.filterRecords(splitKeyRecord(c.o.Codec, kid)).findCandidates(records)
	if len(found) == 0 {
		return nil, cmp.Or(unfit, ErrUnknownKey)
	}
	failed := newAttempts()
	for i := range found {
		recipients, err := c.rewrapCandidate(ctx, place, &found[i], r)
		switch {
		case err == nil:
			return replaceRecipients(found[i].record, found[i].sealed.Recipients, recipients), nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		failed.noteFailure(err)
	}
	return nil, failed.failed
}

// rewrapCandidate fills r from a record, and returns its new recipients.
func (c *RewrapKeys) rewrapCandidate(
	ctx context.Context, place string, d *candidate, r *Rewrapped,
) (recipients []byte, err error) {
	now, err := c.rewrapSealed(ctx, place, &d.sealed)
	if err == nil {
		err = now.checkCommitment(d.sealed.Commitment)
	}
	if err != nil {
		return nil, err
	}
	*r = Rewrapped{Already: now.Already, seen: now.seen, commitment: now.commitment, valid: d.valid}
	return now.Recipients, nil
}

// filterRecords returns the filter for records that one of the old KEKs may
// unwrap, or that are for the new ones as they are.
func (c *RewrapKeys) filterRecords(split func([]byte) (Sealed, error)) *recordFilter {
	return &recordFilter{
		codec: c.o.Codec, split: split, check: c.signers.check,
		fits: func(recipients []keys.Wrapped, all int) bool {
			return areFor(c.o.From, recipients) || c.areDone(recipients, all)
		},
	}
}

// readRecords reads the records of kid, again and again while the store is
// away.
func (c *RewrapKeys) readRecords(ctx context.Context, kid [KIDSize]byte) (records [][]byte, err error) {
	err = c.untilBack(ctx, "the key store", func() (err error) {
		began := c.observed.beginCall()
		records, err = c.o.Store.Get(ctx, kid)
		c.observed.noteCall(ctx, callGet, "", began, err)
		return err
	})
	return records, err
}

// putRecord stores a record, again and again while the store is away.
func (c *RewrapKeys) putRecord(ctx context.Context, kid [KIDSize]byte, record []byte) error {
	return c.untilBack(ctx, "the key store", func() error {
		began := c.observed.beginCall()
		err := c.o.Store.Put(ctx, kid, record)
		c.observed.noteCall(ctx, callPut, "", began, err)
		return err
	})
}
