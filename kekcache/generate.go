package kekcache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// storeError says that a key record could not be stored; it is worth another try.
type storeError struct{ err error }

func (e *storeError) Error() string { return "key record: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// generateUntil makes a window, trying again while that can help. Before the first window only what is away
// is tried again, so that a wrong configuration is an error at the start.
func (c *Sealing) generateUntil(ctx context.Context) (*window, error) {
	for try := 0; ; try++ {
		w, err := c.generate(ctx)
		if err == nil {
			c.setState(Normal, nil)
			return w, nil
		}
		var service *keys.Error
		var store *storeError
		switch current := c.current.Load(); {
		case errors.As(err, &service) && service.Class == keys.Away:
		case current != nil && (errors.As(err, &service) || errors.As(err, &store)):
		default:
			return nil, err
		}
		if w := c.current.Load(); w != nil && !w.ended.Load() && w.messages.Load() > 0 {
			c.setState(Degraded, err)
		} else {
			c.setState(Restricted, err)
		}
		if err := backoff(ctx, try); err != nil {
			return nil, err
		}
	}
}

// generate makes a DEK, has it wrapped for every recipient and, by reference, its record stored.
func (c *Sealing) generate(ctx context.Context) (*window, error) {
	born := time.Now()
	var dek [chunker.KeySize]byte
	defer clear(dek[:])
	recipients, err := c.wrap(ctx, &dek)
	if err != nil {
		return nil, err
	}
	sealing, err := chunker.NewSealingKey(&dek, c.o.Nonces)
	if err != nil {
		return nil, err
	}
	key := &Key{
		Commitment:  sealing.Commitment(),
		Recipients:  recipients,
		ByReference: c.o.Store != nil,
		sealing:     sealing,
	}
	if c.o.Store != nil {
		if err := c.store(ctx, key); err != nil {
			return nil, err
		}
	}
	return newWindow(key, born, c.o.Window, c.o.Nonces), nil
}

// wrap fills dek and returns one wrapping per configured KEK, in their order. The first service that generates
// DEKs does; without one the DEK comes from this process.
func (c *Sealing) wrap(ctx context.Context, dek *[chunker.KeySize]byte) ([]keys.Wrapped, error) {
	recipients := make([]keys.Wrapped, len(c.o.Wrappers))
	generated := -1
	for i, w := range c.o.Wrappers {
		g, ok := w.(keys.Generator)
		if !ok {
			continue
		}
		b, wrapped, err := g.Generate(ctx, c.o.Context, dek[:0])
		if err != nil {
			return nil, err
		}
		if len(b) != chunker.KeySize {
			return nil, fmt.Errorf("%s: generated a key of %d bytes", g.Name(), len(b))
		}
		copy(dek[:], b)
		recipients[i], generated = wrapped, i
		break
	}
	if generated < 0 {
		if _, err := rand.Read(dek[:]); err != nil {
			return nil, err
		}
	}
	for i, w := range c.o.Wrappers {
		if i == generated {
			continue
		}
		var err error
		if recipients[i], err = w.Wrap(ctx, c.o.Context, dek[:]); err != nil {
			return nil, err
		}
	}
	return recipients, nil
}

// store makes the key record durable, before anything is sealed that needs it.
func (c *Sealing) store(ctx context.Context, key *Key) error {
	sealer, err := key.sealing.Lease()
	if err != nil {
		return err
	}
	record, err := c.o.Records.Encode(key, sealer, unix(time.Now()))
	if err != nil {
		return err
	}
	if err := c.o.Store.Put(ctx, key.KID(), record); err != nil {
		return &storeError{err}
	}
	return nil
}

// Fresh returns leave to seal one stream of unknown length under a DEK of its own. The window does not
// apply; the caller keeps to the hard limits: 2^32 seals (2^31 with random nonces) and 2^40 bytes.
func (c *Sealing) Fresh(ctx context.Context) (*Grant, error) {
	w, err := c.generateUntil(ctx)
	if err != nil {
		return nil, err
	}
	sealer, err := w.key.sealing.Lease()
	if err != nil {
		return nil, err
	}
	return &Grant{Key: w.key, Sealer: sealer, Created: unix(time.Now())}, nil
}
