package kekcache

import (
	"context"
	"errors"
)

// rewrapStored puts a record of kid for the new KEKs into the store, unless
// there is one. Stores are append-only: the new record stands behind those
// before it, and differs in its recipients.
func (c *RewrapKeys) rewrapStored(ctx context.Context, kid [KIDSize]byte, r *Rewrapped) error {
	records, err := c.readRecords(ctx, kid)
	if err != nil {
		return err
	}
	if done, err := c.findDone(ctx, kid, records, r); done || err != nil {
		return err
	}
	var unusable error
	result := ErrUnknownKey
	for _, record := range records {
		switch err := c.rewrapRecord(ctx, kid, record, r); {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrWrongKey):
			result = err
		case !errors.Is(err, ErrUnknownKey):
			unusable = err
		}
	}
	if unusable != nil {
		return unusable
	}
	return result
}

// findDone looks for a record that is for the new KEKs. One that must verify,
// and does not, is as good as none.
func (c *RewrapKeys) findDone(ctx context.Context, kid [KIDSize]byte, records [][]byte, r *Rewrapped) (bool, error) {
	for _, record := range records {
		commitment, encoded, ok := c.splitRecord(kid, record)
		if !ok {
			continue
		}
		known, all, err := c.o.Codec.ParseRecipients(encoded)
		if err != nil || !c.areDone(known, all) {
			continue
		}
		*r = Rewrapped{Already: true}
		if c.o.Verify {
			if err = c.verifyAll(ctx, known, nil, r); err == nil {
				err = r.checkCommitment(commitment)
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

// splitRecord takes a record apart if it is one of kid.
func (c *RewrapKeys) splitRecord(kid [KIDSize]byte, record []byte) (commitment, encoded []byte, ok bool) {
	commitment, encoded, err := c.o.Codec.SplitRecord(record)
	if err != nil || len(commitment) < KIDSize || string(commitment[:KIDSize]) != string(kid[:]) {
		return nil, nil, false
	}
	return commitment, encoded, true
}

// rewrapRecord puts the record into the store again, for the new KEKs.
func (c *RewrapKeys) rewrapRecord(ctx context.Context, kid [KIDSize]byte, record []byte, r *Rewrapped) error {
	commitment, encoded, ok := c.splitRecord(kid, record)
	if !ok {
		return ErrUnknownKey
	}
	now := &Rewrapped{}
	if err := c.rewrapRecipients(ctx, commitment, encoded, now); err != nil {
		return err
	}
	if err := now.checkCommitment(commitment); err != nil {
		return err
	}
	r.Already, r.seen, r.commitment = now.Already, now.seen, now.commitment
	if now.Already {
		return nil
	}
	return c.putRecord(ctx, kid, replaceRecipients(record, encoded, now.Recipients))
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
