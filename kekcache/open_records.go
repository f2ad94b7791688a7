package kekcache

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// candidate is what a key record says of its DEK.
type candidate struct {
	commitment [chunker.CommitmentSize]byte
	tries      tries
	refused    error // why the DEK cannot be had from it; nil while that is not known
}

// candidate reads a record.
func (c *OpenKeys) candidate(keks []keys.Unwrapper, record []byte) (candidate, error) {
	commitment, encoded, err := c.o.Codec.SplitRecord(record)
	if err != nil {
		return candidate{}, err
	}
	recipients, _, err := c.o.Codec.ParseRecipients(encoded)
	return candidate{
		commitment: [chunker.CommitmentSize]byte(commitment),
		tries:      newTries(attempts(keks, recipients)),
	}, err
}

// fromStore fills d from the first key record of kid whose commitment verifies.
func (c *OpenKeys) fromStore(ctx context.Context, keks []keys.Unwrapper, kid [KIDSize]byte, d *dek) error {
	records, err := c.records(ctx, kid)
	if err != nil {
		return err
	}
	var all []candidate
	for _, record := range records {
		if r, err := c.candidate(keks, record); err == nil {
			all = append(all, r)
		}
	}
	return c.fromAny(ctx, all, kid[:], d)
}

// fromAny fills d from the first of all that is of kid and whose commitment verifies; else it leaves no key there. Those that
// cannot be opened are passed over, since a later one may be wrapped for other KEKs. It waits for services that are away, but
// only when none of the others does it.
func (c *OpenKeys) fromAny(ctx context.Context, all []candidate, kid []byte, d *dek) error {
	return c.health.repeat(isAway).run(ctx, func() error {
		result := ErrUnknownKey
		for i := range all {
			err := c.from(ctx, &all[i], kid, d)
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				return ctx.Err()
			case weight(err) >= weight(result):
				result = err
			}
		}
		return result
	})
}

// weight orders why a record is not used: by how much could come of it yet.
func weight(err error) int {
	switch {
	case isAway(err):
		return 3
	case errors.Is(err, ErrWrongKey):
		return 1
	case errors.Is(err, ErrUnknownKey):
		return 0
	}
	return 2 // a KEK that cannot be used
}

// from asks for one candidate's DEK, unless it was refused before.
func (c *OpenKeys) from(ctx context.Context, r *candidate, kid []byte, d *dek) error {
	if r.refused != nil {
		return r.refused
	}
	err := c.unwrapOnce(ctx, &r.tries, d)
	if err == nil {
		if err = d.verify(r.commitment[:]); string(r.commitment[:KIDSize]) != string(kid) {
			err = fmt.Errorf("%w: a key record of another kid", ErrWrongKey)
		}
	}
	if err != nil {
		clear(d.key[:])
	}
	if err != nil && !isAway(err) {
		r.refused = err
	}
	return err
}

// records reads the store, again and again while it is away.
func (c *OpenKeys) records(ctx context.Context, kid [KIDSize]byte) (records [][]byte, err error) {
	err = c.health.repeat(nil).run(ctx, func() (err error) {
		records, err = c.o.Store.Get(ctx, kid)
		c.health.answered(ctx, theStore, err)
		return err
	})
	return records, err
}
