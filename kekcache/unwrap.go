package kekcache

import (
	"context"
	"errors"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// unwrapAny fills d from the first recipient that a configured KEK fits and unwraps. Each KEK is asked for one
// wrapped key at most, in the order in which the KEKs are configured.
func (c *Opening) unwrapAny(ctx context.Context, recipients []keys.Wrapped, d *dek) error {
	var gone error
	for _, kek := range c.o.Unwrappers {
		for i := range recipients {
			if !kek.Fits(&recipients[i]) {
				continue
			}
			err := c.unwrap(ctx, kek, &recipients[i], d)
			if err == nil {
				return nil
			}
			var service *keys.Error
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.As(err, &service) && service.Class == keys.Gone:
				gone = err
			}
			break
		}
	}
	if gone != nil {
		return gone
	}
	return ErrUnknownKey
}

// unwrap asks one KEK, again and again while its service is away.
func (c *Opening) unwrap(ctx context.Context, kek keys.Unwrapper, w *keys.Wrapped, d *dek) error {
	for try := 0; ; try++ {
		b, err := kek.Unwrap(ctx, c.o.Context, d.key[:0], w)
		if err == nil && len(b) != chunker.KeySize {
			clear(b)
			return ErrUnknownKey
		}
		if err == nil {
			copy(d.key[:], b)
			d.commitment = chunker.Commitment(&d.key)
			return nil
		}
		var service *keys.Error
		if !errors.As(err, &service) || service.Class != keys.Away {
			return err
		}
		if try == 0 {
			c.o.Log.Warn("a key service is away", "key", kek.Name(), "error", err)
		}
		if err := backoff(ctx, try); err != nil {
			return err
		}
	}
}

// fromStore fills d from the first key record of kid whose commitment verifies.
func (c *Opening) fromStore(ctx context.Context, kid [KIDSize]byte, d *dek) error {
	records, err := c.records(ctx, kid)
	if err != nil {
		return err
	}
	result := ErrUnknownKey
	for _, record := range records {
		commitment, recipients, err := c.o.Records.Decode(record)
		if err != nil {
			continue
		}
		if err := c.unwrapAny(ctx, recipients, d); errors.Is(err, ErrUnknownKey) {
			continue
		} else if err != nil {
			return err
		}
		if d.commitment == commitment && [KIDSize]byte(d.commitment[:KIDSize]) == kid {
			return nil
		}
		clear(d.key[:])
		result = ErrWrongKey
	}
	return result
}

// records reads the store, again and again while it is away.
func (c *Opening) records(ctx context.Context, kid [KIDSize]byte) ([][]byte, error) {
	for try := 0; ; try++ {
		records, err := c.o.Store.Get(ctx, kid)
		if err == nil {
			return records, nil
		}
		if try == 0 {
			c.o.Log.Warn("the key store is away", "error", err)
		}
		if err := backoff(ctx, try); err != nil {
			return nil, err
		}
	}
}

// FromRecord returns the DEK of a key record that came with the data, in front of an envelope by reference,
// instead of from a store.
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
	d.expires = time.Now()
	if err := c.unwrapAny(ctx, recipients, &d); err != nil {
		return nil, err
	}
	if d.commitment != commitment || string(d.commitment[:KIDSize]) != string(kid) {
		return nil, ErrWrongKey
	}
	return chunker.NewOpeningKey(&d.key)
}
