package kekcache

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/secret"
	"github.com/streamcrypt/streamcrypt/keys"
)

// attempt is a wrapped key and a configured KEK that it fits.
type attempt struct {
	kek     keys.Unwrapper
	wrapped *keys.Wrapped
}

// attempts has each KEK asked for one wrapped key at most, in the order in which the KEKs are configured.
func attempts(keks []keys.Unwrapper, recipients []keys.Wrapped) (all []attempt) {
	for _, kek := range keks {
		for i := range recipients {
			if kek.Fits(&recipients[i]) {
				all = append(all, attempt{kek, &recipients[i]})
				break
			}
		}
	}
	return all
}

// unwrapAny fills d from the first recipient that one of keks unwraps. It waits for services that are away, but
// only when no other KEK does it. ErrUnknownKey means that none can; a KEK that cannot be used might have.
func (c *Opening) unwrapAny(ctx context.Context, keks []keys.Unwrapper, recipients []keys.Wrapped, d *dek) error {
	open := attempts(keks, recipients)
	unknown, unusable := ErrUnknownKey, error(nil)
	waiter := waiter{h: &c.health}
	defer waiter.done()
	for try := 0; ; try++ {
		again := open[:0]
		for _, a := range open {
			err := c.unwrap(ctx, a, d)
			var service *keys.Error
			switch isService := errors.As(err, &service); {
			case err == nil:
				return c.unwrapped(ctx, d)
			case ctx.Err() != nil: // says nothing about the key
				return ctx.Err()
			case isService && service.Class == keys.BadWrap:
				unknown = fmt.Errorf("%w: %w", ErrUnknownKey, err)
			case isService && service.Class == keys.Away:
				again = append(again, a)
			default:
				unusable = err
			}
		}
		open = again
		switch {
		case len(open) == 0 && unusable != nil:
			return unusable
		case len(open) == 0:
			return unknown
		}
		if err := waiter.pause(ctx, try); err != nil {
			return err
		}
	}
}

// unwrap asks one KEK once. d is filled if the error is nil, and else left as it was.
func (c *Opening) unwrap(ctx context.Context, a attempt, d *dek) (err error) {
	secret.Do(func() {
		var b []byte
		b, err = a.kek.Unwrap(ctx, c.o.Context, nil, a.wrapped)
		defer clear(b)
		switch {
		case err != nil:
		case len(b) != chunker.KeySize:
			cause := fmt.Errorf("a key of %d bytes", len(b))
			err = &keys.Error{Class: keys.BadWrap, Key: a.kek.Name(), Op: "unwrap", Err: cause}
		default:
			d.key = [chunker.KeySize]byte(b)
			d.commitment = chunker.Commitment(&d.key)
			d.kek = a.kek.Name()
		}
	})
	c.health.answered(ctx, aKEK(a.kek.Name()), err)
	return err
}

// fromStore fills d from the first key record of kid whose commitment verifies. Records that cannot be opened are passed
// over, since a later one may be wrapped for other KEKs.
func (c *Opening) fromStore(ctx context.Context, keks []keys.Unwrapper, kid [KIDSize]byte, d *dek) error {
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
		switch err := c.verified(ctx, keks, commitment, recipients, kid[:], d); {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrWrongKey):
			result = err
		case errors.Is(err, ErrUnknownKey):
			if !errors.Is(result, ErrWrongKey) {
				result = err
			}
		default:
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
	waiter := waiter{h: &c.health}
	defer waiter.done()
	for try := 0; ; try++ {
		records, err := c.o.Store.Get(ctx, kid)
		c.health.answered(ctx, theStore, err)
		if err == nil {
			return records, nil
		}
		if err := waiter.pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

// verified fills d from what a record of kid says, if the commitment verifies; else it leaves no key there.
func (c *Opening) verified(ctx context.Context, keks []keys.Unwrapper, commitment [chunker.CommitmentSize]byte, recipients []keys.Wrapped, kid []byte, d *dek) error {
	if err := c.unwrapAny(ctx, keks, recipients, d); err != nil {
		return err
	}
	err := d.verify(commitment[:])
	if string(commitment[:KIDSize]) != string(kid) {
		err = fmt.Errorf("%w: a key record of another kid", ErrWrongKey)
	}
	if err != nil {
		clear(d.key[:])
	}
	return err
}
