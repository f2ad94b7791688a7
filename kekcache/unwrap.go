package kekcache

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// attempt is a wrapped key and a configured KEK that it fits.
type attempt struct {
	kek     keys.Unwrapper
	wrapped *keys.Wrapped
}

// attempts has each KEK asked for one wrapped key at most, in the order in which the KEKs are configured.
func (c *Opening) attempts(recipients []keys.Wrapped) (all []attempt) {
	for _, kek := range c.o.Unwrappers {
		for i := range recipients {
			if kek.Fits(&recipients[i]) {
				all = append(all, attempt{kek, &recipients[i]})
				break
			}
		}
	}
	return all
}

// unwrapAny fills d from the first recipient that a configured KEK unwraps. It waits for services that are away, but
// only when no other KEK does it. ErrUnknownKey means that none can; a KEK that cannot be used might have.
func (c *Opening) unwrapAny(ctx context.Context, recipients []keys.Wrapped, d *dek) error {
	var unusable error
	open := c.attempts(recipients)
	for try := 0; ; try++ {
		var away error
		again := open[:0]
		for _, a := range open {
			err := c.unwrap(ctx, a, d)
			var service *keys.Error
			switch isService := errors.As(err, &service); {
			case err == nil:
				c.back(try, a.kek)
				return nil
			case ctx.Err() != nil: // says nothing about the key
				return ctx.Err()
			case isService && service.Class == keys.BadWrap:
			case isService && service.Class == keys.Away:
				away, again = err, append(again, a)
			default:
				unusable = err
			}
		}
		open = again
		switch {
		case len(open) == 0 && unusable != nil:
			return unusable
		case len(open) == 0:
			return ErrUnknownKey
		case try == 0:
			c.o.Log.Warn("a key service is away", "error", away)
		}
		if err := backoff(ctx, try); err != nil {
			return err
		}
	}
}

func (c *Opening) back(try int, kek keys.Unwrapper) {
	if try > 0 {
		c.o.Log.Info("a key service is back", "key", kek.Name())
	}
}

// unwrap asks one KEK once. d is filled if the error is nil, and else left as it was.
func (c *Opening) unwrap(ctx context.Context, a attempt, d *dek) error {
	b, err := a.kek.Unwrap(ctx, c.o.Context, nil, a.wrapped)
	defer clear(b)
	switch {
	case err != nil:
		return err
	case len(b) != chunker.KeySize:
		cause := fmt.Errorf("a key of %d bytes", len(b))
		return &keys.Error{Class: keys.BadWrap, Key: a.kek.Name(), Op: "unwrap", Err: cause}
	}
	d.key = [chunker.KeySize]byte(b)
	d.commitment = chunker.Commitment(&d.key)
	return nil
}

// fromStore fills d from the first key record of kid whose commitment verifies. Records that cannot be opened are passed
// over, since a later one may be wrapped for other KEKs.
func (c *Opening) fromStore(ctx context.Context, kid [KIDSize]byte, d *dek) error {
	records, err := c.records(ctx, kid)
	if err != nil {
		return err
	}
	var unusable error
	result := ErrUnknownKey
	for _, record := range records {
		commitment, recipients, err := c.o.Records.Decode(record)
		if err != nil {
			continue
		}
		switch err := c.verified(ctx, commitment, recipients, kid[:], d); {
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

// records reads the store, again and again while it is away.
func (c *Opening) records(ctx context.Context, kid [KIDSize]byte) ([][]byte, error) {
	for try := 0; ; try++ {
		records, err := c.o.Store.Get(ctx, kid)
		switch {
		case err == nil && try > 0:
			c.o.Log.Info("the key store is back")
			return records, nil
		case err == nil:
			return records, nil
		case try == 0 && ctx.Err() == nil:
			c.o.Log.Warn("the key store is away", "error", err)
		}
		if err := backoff(ctx, try); err != nil {
			return nil, err
		}
	}
}

// verified fills d from what a record of kid says, if the commitment verifies; else it leaves no key there.
func (c *Opening) verified(ctx context.Context, commitment [chunker.CommitmentSize]byte, recipients []keys.Wrapped, kid []byte, d *dek) error {
	if err := c.unwrapAny(ctx, recipients, d); err != nil {
		return err
	}
	if d.commitment != commitment || string(commitment[:KIDSize]) != string(kid) {
		clear(d.key[:])
		return ErrWrongKey
	}
	return nil
}

// FromRecord returns the DEK of a key record that came with the data, in front of an envelope by reference with
// this kid, instead of from a store. The DEK is not kept. Its errors are those of Unwrap, and Decode's.
func (c *Opening) FromRecord(ctx context.Context, record, kid []byte) (*chunker.OpeningKey, error) {
	if c.o.Records == nil {
		return nil, ErrUnknownKey
	}
	commitment, recipients, err := c.o.Records.Decode(record)
	if err != nil {
		return nil, err
	}
	var d dek
	defer clear(d.key[:])
	if err := c.verified(ctx, commitment, recipients, kid, &d); err != nil {
		return nil, err
	}
	return chunker.NewOpeningKey(&d.key)
}
