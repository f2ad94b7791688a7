package kekcache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/secret"
	"github.com/streamcrypt/streamcrypt/keys"
)

// storeError says that a key record could not be stored; it is worth another try.
type storeError struct{ err error }

func (e *storeError) Error() string { return "key record: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// errLate says that a DEK was over its age before it was there; it is worth another try.
var errLate = errors.New("data key: it took longer to make than it may live")

// generateUntil makes a DEK, trying again while that can help.
func (c *SealKeys) generateUntil(ctx context.Context) (key *Key, err error) {
	tries := repetition{mayPass: c.passing}
	err = tries.run(ctx, func() (err error) {
		if _, err := c.reloads(); err != nil {
			return err
		}
		key, err = c.generate(ctx, c.keks())
		switch {
		case err == nil:
		case ctx.Err() != nil: // the error says nothing about the service
			return ctx.Err()
		case !c.passing(err):
			return err
		}
		c.made(ctx, err)
		_ = c.trail.flush() // an error comes again with the next try
		return err
	})
	return key, err
}

// passing says that what err tells of may pass. Before the first window that holds for what is away only, so that a
// wrong configuration is an error at the start.
func (c *SealKeys) passing(err error) bool {
	var service *keys.Error
	isService := errors.As(err, &service)
	if isService && service.Class == keys.Away || errors.Is(err, errLate) {
		return true
	}
	var store *storeError
	var audit *auditError
	return c.current.Load() != nil && (isService || errors.As(err, &store) || errors.As(err, &audit))
}

// generate makes a DEK, has it wrapped for every recipient and, by reference, its record stored. That it may be used is audited
// last, and whether anything can be audited is found out first.
func (c *SealKeys) generate(ctx context.Context, keks []keys.Wrapper) (*Key, error) {
	if err := c.trail.flush(); err != nil {
		return nil, err
	}
	born := time.Now()
	key, err := c.wrapped(ctx, keks)
	if err != nil {
		return nil, err
	}
	key.born = born
	if key.ByReference {
		if err := c.store(ctx, key); err != nil {
			return nil, err
		}
	}
	if time.Since(born) >= c.o.Limits.Age {
		return nil, errLate
	}
	if err := c.trail.record(key.event(OpWindowOpened, "")); err != nil {
		return nil, err
	}
	c.quick.Store(time.Since(born) <= quickly)
	return key, nil
}

// wrapped makes a DEK and has it wrapped.
func (c *SealKeys) wrapped(ctx context.Context, keks []keys.Wrapper) (key *Key, err error) {
	secret.Do(func() {
		var dek [chunker.KeySize]byte
		defer clear(dek[:])
		var recipients []keys.Wrapped
		if recipients, err = c.wrap(ctx, keks, &dek); err != nil {
			return
		}
		var sealing *chunker.SealingKey
		if sealing, err = chunker.NewSealingKey(&dek, c.o.Nonces); err != nil {
			return
		}
		key = &Key{
			Commitment:  sealing.Commitment(),
			Recipients:  recipients,
			ByReference: c.o.Store != nil,
			sealing:     sealing,
			keks:        names(keks),
		}
	})
	return key, err
}

// names are those of KEKs.
func names[K interface{ Name() string }](keks []K) []string {
	all := make([]string, len(keks))
	for i, k := range keks {
		all[i] = k.Name()
	}
	return all
}

// wrap fills dek and returns one wrapping per configured KEK, in their order. The first service that generates
// DEKs does; without one the DEK comes from this process.
func (c *SealKeys) wrap(ctx context.Context, keks []keys.Wrapper, dek *[chunker.KeySize]byte) ([]keys.Wrapped, error) {
	recipients := make([]keys.Wrapped, len(keks))
	generated := -1
	for i, w := range keks {
		if g, ok := w.(keys.Generator); ok {
			b, wrapped, err := g.Generate(ctx, c.o.Context, nil)
			if err != nil {
				return nil, err
			}
			n := copy(dek[:], b)
			clear(b)
			if n != chunker.KeySize || len(b) != n {
				return nil, fmt.Errorf("%s: generated a key of %d bytes", g.Name(), len(b))
			}
			recipients[i], generated = wrapped, i
			break
		}
	}
	if generated < 0 {
		if _, err := rand.Read(dek[:]); err != nil {
			return nil, err
		}
	}
	for i, w := range keks {
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
func (c *SealKeys) store(ctx context.Context, key *Key) error {
	sealer, err := key.sealing.Lease()
	if err != nil {
		return err
	}
	record, err := c.o.Codec.SealRecord(key, sealer, c.o.Context.Name, unix(time.Now()))
	if err != nil {
		return err
	}
	if err := c.o.Store.Put(ctx, key.KID(), record); err != nil {
		return &storeError{err}
	}
	return nil
}
