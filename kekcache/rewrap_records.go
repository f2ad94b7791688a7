package kekcache

import (
	"context"
	"errors"
)

// record sees to it that one of the records of kid is for the new KEKs. Stores are append-only: the new record stands behind
// those before it, and differs in its recipients.
func (c *RewrapKeys) record(ctx context.Context, kid [KIDSize]byte, r *Rewrapped) error {
	records, err := c.stored(ctx, kid)
	if err != nil {
		return err
	}
	if done, err := c.recordAlready(ctx, kid, records, r); done || err != nil {
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

// recordAlready looks for a record that is for the new KEKs. One that does not verify, if it is to, is as good as none.
func (c *RewrapKeys) recordAlready(ctx context.Context, kid [KIDSize]byte, records [][]byte, r *Rewrapped) (bool, error) {
	for _, record := range records {
		commitment, encoded, ok := c.split(kid, record)
		if !ok {
			continue
		}
		known, all, err := c.o.Codec.ParseRecipients(encoded)
		if err != nil || !c.already(known, all) {
			continue
		}
		*r = Rewrapped{Already: true}
		if c.o.Verify {
			if err = c.verify(ctx, c.openers(known), r); err == nil {
				err = r.Check(commitment)
			}
		}
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, ErrWrongKey) && !errors.Is(err, ErrUnknownKey):
			return false, err
		}
		*r = Rewrapped{}
	}
	return false, nil
}

// split takes a record apart if it is one of kid.
func (c *RewrapKeys) split(kid [KIDSize]byte, record []byte) (commitment, encoded []byte, ok bool) {
	commitment, encoded, err := c.o.Codec.SplitRecord(record)
	if err != nil || len(commitment) < KIDSize || string(commitment[:KIDSize]) != string(kid[:]) {
		return nil, nil, false
	}
	return commitment, encoded, true
}

// rewrapRecord puts the record into the store again, for the new KEKs.
func (c *RewrapKeys) rewrapRecord(ctx context.Context, kid [KIDSize]byte, record []byte, r *Rewrapped) error {
	commitment, encoded, ok := c.split(kid, record)
	if !ok {
		return ErrUnknownKey
	}
	now := &Rewrapped{}
	if err := c.recipients(ctx, commitment, encoded, now); err != nil {
		return err
	}
	if err := now.Check(commitment); err != nil {
		return err
	}
	r.Already, r.seen, r.commitment = now.Already, now.seen, now.commitment
	if now.Already {
		return nil
	}
	return c.put(ctx, kid, replaceRecipients(record, encoded, now.Recipients))
}

// stored reads the records of kid, again and again while the store is away.
func (c *RewrapKeys) stored(ctx context.Context, kid [KIDSize]byte) (records [][]byte, err error) {
	err = c.until(ctx, "the key store", func() (err error) {
		records, err = c.o.Store.Get(ctx, kid)
		return err
	})
	return records, err
}

func (c *RewrapKeys) put(ctx context.Context, kid [KIDSize]byte, record []byte) error {
	return c.until(ctx, "the key store", func() error { return c.o.Store.Put(ctx, kid, record) })
}

// until does something again and again until it goes well.
func (c *RewrapKeys) until(ctx context.Context, what string, do func() error) error {
	tries := repetition{
		waiting: func(err error) { c.o.Log.Warn(what+" is away", "error", err) },
		waited: func(err error) {
			if err == nil {
				c.o.Log.Info(what + " is back")
			}
		},
	}
	return tries.run(ctx, do)
}
