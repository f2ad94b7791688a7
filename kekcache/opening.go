package kekcache

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// OpeningOptions say which KEKs unwrap, and how many DEKs are kept.
type OpeningOptions struct {
	Unwrappers []keys.Unwrapper // asked in this order
	Context    keys.Context
	// Store holds key records for envelopes by reference; nil without any. Records reads them, and those
	// that come with the data (FromRecord).
	Store   Store
	Records Records
	MaxKeys int           // unwrapped DEKs kept; default 100,000 (about 40 MiB)
	MaxAge  time.Duration // how long one is used from when it was unwrapped; default 1 hour
	Log     *slog.Logger  // what is waited for; nil: none
	Audit   Auditor       // unwraps; nil: none
}

// keptCiphers is how many ready ciphers are kept; one takes up to 1,280 bytes, a key 32.
const keptCiphers = 256

// badFor is how long it is remembered that a wrapped key does not unwrap.
const badFor = time.Minute

// Opening keeps unwrapped DEKs. A DEK's bytes are cleared when it leaves: pushed out by others, or found to be
// over its age. It is safe for concurrent use.
type Opening struct {
	o OpeningOptions

	mu      sync.Mutex
	deks    *lru[source, *dek]
	ciphers *lru[source, *chunker.OpeningKey] // of some that are in deks
	flights map[source]chan struct{}          // loads under way
}

// source is what a DEK was unwrapped from: a kid, or recipients, known by their SHA-256.
type source struct {
	record bool
	name   [sha256.Size]byte // of a kid only the first KIDSize bytes are used
}

// dek is an unwrapped DEK, or that there is none.
type dek struct {
	key        [chunker.KeySize]byte
	commitment [chunker.CommitmentSize]byte
	expires    time.Time
	bad        error
}

// NewOpening validates o.
func NewOpening(o OpeningOptions) (*Opening, error) {
	switch {
	case len(o.Unwrappers) == 0:
		return nil, errors.New("no key to decrypt with")
	case o.Store != nil && o.Records == nil:
		return nil, errors.New("kekcache: a store needs Records")
	case o.MaxKeys < 0:
		return nil, errors.New("keys kept: fewer than none")
	case o.MaxAge < 0:
		return nil, errors.New("keys kept: the age is negative")
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = 100_000
	}
	if o.MaxAge == 0 {
		o.MaxAge = time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Opening{
		o:       o,
		ciphers: newLRU[source, *chunker.OpeningKey](keptCiphers, nil),
		flights: map[source]chan struct{}{},
	}
	c.deks = newLRU(o.MaxKeys, func(from source, d *dek) {
		clear(d.key[:])
		c.ciphers.drop(from)
	})
	return c, nil
}

// Unwrap returns the DEK of a self-contained envelope with this commitment, of CommitmentSize bytes. encoded are the
// recipients as they stand in the envelope; the same bytes were unwrapped before or parse returns what they say. The errors
// are ErrUnknownKey, ErrWrongKey, parse's, ctx's, or that of a KEK that cannot be used, a *keys.Error. While a key service
// is away it waits, until ctx ends.
func (c *Opening) Unwrap(ctx context.Context, commitment, encoded []byte, parse func() ([]keys.Wrapped, error)) (*chunker.OpeningKey, error) {
	if len(commitment) != chunker.CommitmentSize {
		return nil, ErrWrongKey
	}
	return c.get(ctx, source{name: sha256.Sum256(encoded)}, commitment, func(d *dek) error {
		recipients, err := parse()
		if err != nil {
			return err
		}
		return c.unwrapAny(ctx, recipients, d)
	})
}

// Lookup returns the DEK of an envelope by reference with this kid, of KIDSize bytes. Its errors are those of Unwrap.
// It waits while the store is away too.
func (c *Opening) Lookup(ctx context.Context, kid []byte) (*chunker.OpeningKey, error) {
	if c.o.Store == nil || len(kid) != KIDSize {
		return nil, ErrUnknownKey
	}
	from := source{record: true}
	copy(from.name[:], kid)
	return c.get(ctx, from, kid, func(d *dek) error { return c.fromStore(ctx, [KIDSize]byte(kid), d) })
}

// get finds the DEK in the cache or has it loaded, by one caller however many ask, and compares its commitment
// with want, of which the envelope may show only a prefix.
func (c *Opening) get(ctx context.Context, from source, want []byte, load func(*dek) error) (*chunker.OpeningKey, error) {
	for {
		c.mu.Lock()
		if d, ok := c.find(from, time.Now()); ok {
			defer c.mu.Unlock()
			return c.cipher(from, d, want)
		}
		wait := c.flights[from]
		if wait == nil {
			c.flights[from] = make(chan struct{})
		}
		c.mu.Unlock()
		if wait == nil {
			return c.lead(from, want, load)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// find looks into the cache, and drops what is over its age: the one asked for, and those used longest ago. So none
// stays for longer than twice its age while the cache is in use. The caller holds the lock.
func (c *Opening) find(from source, now time.Time) (*dek, bool) {
	d, ok := c.deks.get(from)
	if ok && !now.Before(d.expires) {
		c.deks.drop(from)
		ok = false
	}
	for {
		key, old, some := c.deks.oldest()
		if !some || now.Before(old.expires) {
			return d, ok
		}
		c.deks.drop(key)
	}
}

// lead is the load for which the others wait.
func (c *Opening) lead(from source, want []byte, load func(*dek) error) (*chunker.OpeningKey, error) {
	defer c.land(from)
	d := &dek{}
	age := c.o.MaxAge
	switch err := load(d); {
	case errors.Is(err, ErrUnknownKey) && !from.record: // a record may yet come, recipients stay as they are
		d.bad, age = err, min(badFor, age)
	case err != nil:
		return nil, err
	}
	d.expires = time.Now().Add(age)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deks.put(from, d)
	return c.cipher(from, d, want)
}

func (c *Opening) land(from source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.flights[from])
	delete(c.flights, from)
}

// cipher returns d ready for use. The caller holds the lock.
func (c *Opening) cipher(from source, d *dek, want []byte) (*chunker.OpeningKey, error) {
	if d.bad != nil {
		return nil, d.bad
	}
	if string(d.commitment[:len(want)]) != string(want) { // neither is secret
		return nil, ErrWrongKey
	}
	if k, ok := c.ciphers.get(from); ok {
		return k, nil
	}
	k, err := chunker.NewOpeningKey(&d.key)
	if err != nil {
		return nil, err
	}
	c.ciphers.put(from, k)
	return k, nil
}
