package kekcache

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// OpenKeysOptions say which KEKs unwrap, and how many DEKs are kept.
type OpenKeysOptions struct {
	Unwrappers []keys.Unwrapper // asked in this order
	Context    keys.Context     // under which the DEKs were wrapped
	Codec      Codec            // needed
	Store      Store            // has the key records of envelopes by reference; nil: none
	MaxKeys    int              // unwrapped DEKs kept; default 100,000 (about 30 MiB)
	MaxAge     time.Duration    // how long a DEK is used from when it was unwrapped; default 1 hour
	Log        *slog.Logger     // services that are waited for; nil: none
	Audit      Auditor          // unwraps; nil: none
	Observer   Observer         // nil: none
}

const (
	// keptCiphers is how many ready ciphers are kept; one takes up to 1,280
	// bytes, a key 32.
	keptCiphers = 256
	// keptRefusals is how many refusals are remembered. They have a cache of
	// their own, so that a flood of forged envelopes pushes out no key.
	keptRefusals = 4096
)

// OpenKeys keeps unwrapped DEKs. The bytes of a DEK are cleared when it leaves:
// pushed out by others, found to be over its age, or dropped by Reload. It is
// safe for concurrent use.
//
// It does not limit how often KEKs are asked by a clock. Each wrapped DEK is
// unwrapped once, one that does not unwrap is remembered, and a caller has one
// unwrap under way at a time, so a flood of forged envelopes makes as many
// unwraps at once as there are workers. How often a remote service may be asked
// in a second is limited where it is called.
type OpenKeys struct {
	o          OpenKeysOptions // but for Unwrappers, which Reload changes
	generation atomic.Uint64   // how many Reloads there were
	observed   observed
	health     health
	loads      flights[source]

	mu         sync.Mutex
	unwrappers []keys.Unwrapper
	deks       *lru[source, *dek]
	ciphers    *lru[source, *chunker.OpeningKey] // of some that are in deks
	refusals   *lru[source, refusal]
}

// source is the name under which a DEK is kept: a kid, or the SHA-256 of the
// recipients that it was unwrapped from.
type source struct {
	record bool
	name   [sha256.Size]byte // of a kid only the first KIDSize bytes are used
}

// NewOpenKeys validates o. No key service is called before the first DEK.
func NewOpenKeys(o OpenKeysOptions) (*OpenKeys, error) {
	if err := checkUnwrappers(o.Unwrappers); err != nil {
		return nil, err
	}
	switch {
	case o.Codec == nil:
		return nil, errNoCodec
	case o.MaxKeys < 0:
		return nil, errors.New("keys kept: the number must not be negative")
	case o.MaxAge < 0:
		return nil, errors.New("keys kept: the age must not be negative")
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
	c := &OpenKeys{
		o:          o,
		observed:   observed{to: o.Observer, side: Opening, context: o.Context.Name},
		unwrappers: slices.Clone(o.Unwrappers),
		ciphers:    newLRU[source, *chunker.OpeningKey](keptCiphers, nil),
		refusals:   newLRU[source, refusal](keptRefusals, nil),
	}
	c.health = health{log: o.Log, observed: &c.observed, away: map[dependency]error{}}
	c.deks = newLRU(o.MaxKeys, func(from source, d *dek) {
		clear(d.key[:])
		c.ciphers.drop(from)
	})
	return c, nil
}

func checkUnwrappers(unwrappers []keys.Unwrapper) error {
	switch {
	case len(unwrappers) == 0:
		return errors.New("no key to decrypt with")
	case slices.Contains(unwrappers, nil):
		return errors.New("a key to decrypt with is nil")
	}
	return nil
}

// Unwrap returns the DEK of a self-contained envelope with this commitment, of
// CommitmentSize bytes, and these encoded recipients. The errors are
// ErrUnknownKey, ErrWrongKey, the Codec's, ctx's, or that of a KEK that cannot
// be used, a *keys.Error. While a key service is away it waits, until ctx ends.
func (c *OpenKeys) Unwrap(ctx context.Context, commitment, encoded []byte) (*chunker.OpeningKey, error) {
	if len(commitment) != chunker.CommitmentSize {
		return nil, ErrWrongKey
	}
	from := source{name: sha256.Sum256(encoded)}
	return c.getKey(ctx, from, commitment, func(ctx context.Context, keks []keys.Unwrapper, d *dek) error {
		recipients, _, err := c.o.Codec.ParseRecipients(encoded)
		if err != nil {
			return err
		}
		return c.unwrapAny(ctx, keks, recipients, d)
	})
}

// Lookup returns the DEK of an envelope by reference with this kid, of KIDSize
// bytes. Its errors are those of Unwrap. It waits while the store is away too.
func (c *OpenKeys) Lookup(ctx context.Context, kid []byte) (*chunker.OpeningKey, error) {
	if c.o.Store == nil || len(kid) != KIDSize {
		return nil, ErrUnknownKey
	}
	from := source{record: true}
	copy(from.name[:], kid)
	return c.getKey(ctx, from, kid, func(ctx context.Context, keks []keys.Unwrapper, d *dek) error {
		return c.unwrapStored(ctx, keks, [KIDSize]byte(kid), d)
	})
}

// FromRecord returns the DEK of a key record that came with the data, in front
// of an envelope by reference with this kid, instead of from a store. The DEK
// is not kept. Its errors are those of Unwrap.
func (c *OpenKeys) FromRecord(ctx context.Context, record, kid []byte) (*chunker.OpeningKey, error) {
	keks, _ := c.currentKEKs()
	r := newRecordAttempts()
	if err := r.addRecord(c.o.Codec, keks, record); err != nil {
		return nil, err
	}
	var d dek
	defer clear(d.key[:])
	asking, requests := keys.CollectRequests(ctx)
	if err := c.unwrapRecords(asking, r, kid, &d); err != nil {
		return nil, c.noteRefused(ctx, keks, kid, &d, requests, err)
	}
	return chunker.NewOpeningKey(&d.key)
}

// Reload has DEKs unwrapped by other KEKs from now on, or by the same ones read
// again. All DEKs that are kept are dropped, since a KEK that was removed may
// have unwrapped them, and so are refusals. Unwraps under way begin again.
func (c *OpenKeys) Reload(unwrappers []keys.Unwrapper) error {
	if err := checkUnwrappers(unwrappers); err != nil {
		return err
	}
	c.loads.voidAll(func() { c.replaceKEKs(slices.Clone(unwrappers)) })
	c.health.forgetKEKs()
	return nil
}

func (c *OpenKeys) replaceKEKs(unwrappers []keys.Unwrapper) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unwrappers = unwrappers
	c.generation.Add(1)
	c.deks.clear()
	c.refusals.clear()
}

// Generation changes with each Reload: a key that was returned earlier must
// then be asked for again. It costs less than to ask.
func (c *OpenKeys) Generation() uint64 { return c.generation.Load() }

// Status says whether somebody waits for a key service, the store or the audit
// log, and for how many keys.
func (c *OpenKeys) Status() Status { return c.health.snapshot() }

// currentKEKs returns the KEKs that unwrap now, and their generation.
func (c *OpenKeys) currentKEKs() ([]keys.Unwrapper, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unwrappers, c.generation.Load()
}
