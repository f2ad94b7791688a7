package kekcache

import (
	"context"
	"errors"
)

// rewrapStored puts a record of kid for the new KEKs into the store, unless
// there is one. Stores are append-only: the new record stands behind those
// before it, and differs in its recipients.
func (c *RewrapKeys) rewrapStored(ctx context.Context, place string, kid [KIDSize]byte, r *Rewrapped) error {
	if kept := c.kept.find(kid); len(kept) > 0 {
		if err := c.rewrapKept(ctx, place, kid, kept, r); err == nil || !isRefusal(err) || c.o.Store == nil {
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
	if done, err := c.findDone(ctx, kid, records, r); done || err != nil {
		return err
	}
	failed := newAttempts()
	tries, isUnfit := 0, false
	var untrusted error
	for _, record := range records {
		s, valid, err := c.splitRecord(kid, record)
		switch {
		case errors.Is(err, ErrUntrusted):
			untrusted = err
			continue
		case err != nil:
			continue
		case !c.isFit(s):
			isUnfit = true
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		switch err := c.rewrapRecord(ctx, place, kid, record, s, r); {
		case err == nil:
			r.valid = valid
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			failed.noteFailure(err)
		}
	}
	if tries == 0 && !isUnfit && untrusted != nil {
		return untrusted
	}
	return failed.failed
}

// rewrapKept is rewrapStored for the records of a file, which are rewrapped
// where they stand: it sees to it that one of them can be.
func (c *RewrapKeys) rewrapKept(
	ctx context.Context, place string, kid [KIDSize]byte, records [][]byte, r *Rewrapped,
) error {
	failed := newAttempts()
	tries := 0
	for _, record := range records {
		s, valid, err := c.splitRecord(kid, record)
		if err == nil && !c.isFit(s) {
			err = ErrUnknownKey
		}
		if err == nil {
			if tries++; tries > maxTries {
				break
			}
			var now *Rewrapped
			if now, err = c.rewrapSealed(ctx, place, s); err == nil {
				err = now.checkCommitment(s.Commitment)
			}
			if err == nil {
				*r = Rewrapped{Already: now.Already, seen: now.seen, commitment: now.commitment, valid: valid}
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed.noteFailure(err)
	}
	return failed.failed
}

// findDone looks for a record that is for the new KEKs. One that must verify,
// and does not, is as good as none.
func (c *RewrapKeys) findDone(ctx context.Context, kid [KIDSize]byte, records [][]byte, r *Rewrapped) (bool, error) {
	for _, record := range records {
		s, valid, err := c.splitRecord(kid, record)
		if err != nil {
			continue
		}
		known, all, err := c.o.Codec.ParseRecipients(s.Recipients)
		if err != nil || !c.areDone(known, all) {
			continue
		}
		*r = Rewrapped{Already: true, valid: valid}
		if c.o.Verify {
			if err = c.verifyAll(ctx, known, nil, r); err == nil {
				err = r.checkCommitment(s.Commitment)
			}
		}
		switch {
		case err == nil:
			return true, nil
		case !isRefusal(err):
			return false, err
		}
		*r = Rewrapped{}
	}
	return false, nil
}

// splitRecord takes a record apart if it is one of kid, and one of the signers
// vouches for it.
func (c *RewrapKeys) splitRecord(kid [KIDSize]byte, record []byte) (*Sealed, Validity, error) {
	s, err := c.o.Codec.SplitRecord(record)
	switch {
	case err != nil:
		return nil, Validity{}, err
	case string(s.Commitment[:KIDSize]) != string(kid[:]):
		return nil, Validity{}, errOtherKID
	}
	if _, _, err := c.o.Codec.ParseRecipients(s.Recipients); err != nil {
		return nil, Validity{}, err
	}
	valid, err := c.signers.check(&s)
	return &s, valid, err
}

// isFit tells whether one of the old KEKs may unwrap the DEK, or it is for the
// new ones as it is. If not, it costs no try (see maxTries).
func (c *RewrapKeys) isFit(s *Sealed) bool {
	known, all, err := c.o.Codec.ParseRecipients(s.Recipients)
	if err != nil {
		return false
	}
	fitting := newAttempts()
	fitting.addRecipients(c.o.From, known, 0)
	return len(fitting.pairs) > 0 || c.areDone(known, all)
}

// rewrapRecord puts the record into the store again, for the new KEKs.
func (c *RewrapKeys) rewrapRecord(
	ctx context.Context, place string, kid [KIDSize]byte, record []byte, s *Sealed, r *Rewrapped,
) error {
	now, err := c.rewrapSealed(ctx, place, s)
	if err != nil {
		return err
	}
	if err := now.checkCommitment(s.Commitment); err != nil {
		return err
	}
	r.Already, r.seen, r.commitment = now.Already, now.seen, now.commitment
	if now.Already {
		return nil
	}
	return c.putRecord(ctx, kid, replaceRecipients(record, s.Recipients, now.Recipients))
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
