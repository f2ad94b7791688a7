package kekcache

import (
	"context"
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
	Signers    []keys.Verifier  // of which one must vouch for a DEK; none: nobody needs to
	Skew       time.Duration    // how far clocks may differ; default DefaultSkew, negative: not at all
	// PassUntrusted has DEKs pass that no signer vouches for, although there
	// are Signers.
	PassUntrusted bool
	MaxKeys       int           // unwrapped DEKs kept; default 100,000 (about 30 MiB)
	MaxAge        time.Duration // how long a DEK is used from when it was unwrapped; default 1 hour
	Log           *slog.Logger  // services that are waited for; nil: none
	Audit         Auditor       // unwraps; nil: none
	Observer      Observer      // nil: none
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
// A wrapped DEK is unwrapped once, and one that does not unwrap is remembered.
// Beyond that, each place has a budget of unwraps by a key service that may
// fail; who has none left waits.
type OpenKeys struct {
	o          OpenKeysOptions // but for Unwrappers, which Reload changes
	generation atomic.Uint64   // how many Reloads there were
	clock      coarseClock
	signers    *signers
	budgets    *budgets
	observed   observed
	health     health
	loads      flights[source]
	kept       keptRecords
	index      *nameIndex

	mu         sync.Mutex
	unwrappers []keys.Unwrapper
	deks       *lru[source, *dek]
	ciphers    *lru[source, *chunker.OpeningKey] // of some that are in deks
	refusals   *lru[source, refusal]
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
	signers, err := newSigners(o.Codec, o.Context.Name, o.Signers, o.Skew)
	if err != nil {
		return nil, err
	}
	signers.lenient = o.PassUntrusted
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
		clock:      coarseClock{start: time.Now()},
		signers:    signers,
		budgets:    newBudgets(),
		index:      newNameIndex(o.Store),
		observed:   observed{to: o.Observer, side: Opening, context: o.Context.Name},
		unwrappers: slices.Clone(o.Unwrappers),
		ciphers:    newLRU[source, *chunker.OpeningKey](keptCiphers, nil),
		refusals:   newLRU[source, refusal](keptRefusals, nil),
	}
	c.health = health{log: o.Log, observed: &c.observed}
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

// OpenedKey is a DEK that opens envelopes, for as long as IsLive says so.
type OpenedKey struct {
	*chunker.OpeningKey
	// Vouched says that the DEK is surely of a program that may seal: a signer
	// vouches for it, or it was unwrapped from a recipient that no public key
	// makes.
	Vouched bool

	valid      Validity
	expires    time.Duration // by OpenKeys.clock
	generation uint64
}

// IsLive tells whether k, which c has returned, still opens envelopes, and
// those that were created at this time, in unix seconds. It costs much less
// than to ask for the key again, and is up to clockStep late.
func (c *OpenKeys) IsLive(k *OpenedKey, created uint32) bool {
	return k.generation == c.generation.Load() && c.clock.now().age < k.expires && k.valid.Covers(created)
}

// UnixNow returns the time in unix seconds, to a second. It costs less than a
// look at the clock.
func (c *OpenKeys) UnixNow() int64 { return c.clock.now().unix }

// Skew is how far clocks may differ.
func (c *OpenKeys) Skew() time.Duration { return c.signers.skew }

// Unwrap returns the DEK of a self-contained envelope that was read from a
// place. The errors are ErrUntrusted, ErrUnknownKey, ErrWrongKey, the Codec's,
// ctx's, or that of a KEK that cannot be used, a *keys.Error. While a key
// service is away, or the place has had too many unwraps fail, it waits, until
// ctx ends.
func (c *OpenKeys) Unwrap(ctx context.Context, place string, s *Sealed) (*OpenedKey, error) {
	if len(s.Commitment) != chunker.CommitmentSize {
		return nil, ErrWrongKey
	}
	valid, err := c.signers.check(s)
	if err != nil {
		return nil, err
	}
	recipients, _, err := c.o.Codec.ParseRecipients(s.Recipients)
	if err != nil {
		return nil, err
	}
	return c.openRecipients(ctx, place, recipients, s.Commitment, valid)
}

// UnwrapRecipients returns the DEK of a message in a format that has neither
// commitments nor signatures: whichever DEK one of recipients unwraps to. With
// Signers that is ErrUntrusted, unless PassUntrusted is set. Its errors are
// otherwise those of Unwrap, but for ErrWrongKey.
func (c *OpenKeys) UnwrapRecipients(
	ctx context.Context, place string, recipients []keys.Wrapped,
) (*OpenedKey, error) {
	valid, err := c.signers.check(&Sealed{})
	if err != nil {
		return nil, err
	}
	return c.openRecipients(ctx, place, recipients, nil, valid)
}

// Lookup returns the DEK of an envelope by reference with this kid, of KIDSize
// bytes, that was created at this time. Its errors are those of Unwrap. It
// waits while the store is away too.
func (c *OpenKeys) Lookup(ctx context.Context, place string, kid []byte, created uint32) (*OpenedKey, error) {
	if len(kid) != KIDSize {
		return nil, ErrUnknownKey
	}
	return c.openStored(ctx, place, [KIDSize]byte(kid), created)
}

// FromRecord returns the DEK of a key record that came with the data, in front
// of an envelope by reference with this kid that was created at this time,
// instead of from a store. Its errors are those of Unwrap.
func (c *OpenKeys) FromRecord(
	ctx context.Context, place string, record, kid []byte, created uint32,
) (*OpenedKey, error) {
	s, err := c.o.Codec.SplitRecord(record)
	switch {
	case err != nil:
		return nil, err
	case len(kid) != KIDSize || string(s.Commitment[:KIDSize]) != string(kid):
		return nil, errOtherKID
	}
	key, err := c.Unwrap(ctx, place, &s)
	if err == nil && !key.valid.Covers(created) {
		return nil, errOutOfTime
	}
	return key, err
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

// Status says whether somebody waits for a key service, the store or the audit
// log, and for how many keys.
func (c *OpenKeys) Status() Status { return c.health.snapshot() }

// currentKEKs returns the KEKs that unwrap now, and their generation.
func (c *OpenKeys) currentKEKs() ([]keys.Unwrapper, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unwrappers, c.generation.Load()
}
