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

// RewrapKeysOptions say from which KEKs to which others DEKs are rewrapped.
type RewrapKeysOptions struct {
	From    []keys.Unwrapper // the old KEKs, asked in this order
	To      []keys.Wrapper   // every one becomes a recipient; 1 to 16
	Context keys.Context     // under which the DEKs were wrapped, and will be
	Codec   Codec            // needed
	Store   Store            // has the key records of envelopes by reference; nil: none
	// Verify unwraps a DEK that a key service has moved without showing it, and
	// checks the commitment: once a DEK and new KEK that can unwrap, or once
	// with the old KEK if none can.
	Verify   bool
	MaxBytes int          // of rewrapped recipients kept; default 32 MiB, about 50,000 DEKs for one AWS KMS key
	Log      *slog.Logger // services that are waited for; nil: none
	Audit    Auditor      // nil: none
	Observer Observer     // nil: none
}

// Rewrapped is the result of rewrapping one DEK. It is immutable.
type Rewrapped struct {
	Recipients []byte // encoded; nil by reference
	Already    bool   // they were for exactly the new KEKs before, and are as they were

	seen       bool // the DEK was seen here, and commitment is its own
	commitment [chunker.CommitmentSize]byte
	refused    error     // the DEK cannot be rewrapped
	expires    time.Time // when refused is forgotten
}

// rewrappedOverhead is about how much the cache needs beside the recipients, in
// bytes.
const rewrappedOverhead = 320

// DefaultRewrapBytes is the default of RewrapKeysOptions.MaxBytes.
const DefaultRewrapBytes = 32 << 20

// RewrapKeys replaces the recipients of DEKs, each distinct one once. It keeps
// the new recipients, and no DEK. It is safe for concurrent use.
type RewrapKeys struct {
	o        RewrapKeysOptions
	observed observed
	moved    atomic.Int64
	flights  flights[source]

	mu    sync.Mutex
	done  *lru[source, *Rewrapped]
	bytes int // that done takes
}

// NewRewrapKeys validates o. No key service is called before the first DEK.
func NewRewrapKeys(o RewrapKeysOptions) (*RewrapKeys, error) {
	switch {
	case len(o.From) == 0:
		return nil, errors.New("no key to rewrap from")
	case len(o.To) == 0:
		return nil, errors.New("no key to rewrap for")
	case slices.Contains(o.From, nil), slices.Contains(o.To, nil):
		return nil, errors.New("a key to rewrap with is nil")
	case len(o.To) > maxWrappers:
		return nil, errors.New("more than 16 keys to rewrap for")
	case o.Codec == nil:
		return nil, errNoCodec
	case o.MaxBytes < 0:
		return nil, errors.New("rewrapped recipients kept: the number of bytes must not be negative")
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultRewrapBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.From, o.To = slices.Clone(o.From), slices.Clone(o.To)
	c := &RewrapKeys{o: o, observed: observed{to: o.Observer, side: Rewrapping, context: o.Context.Name}}
	// The bytes are its bound; as many entries as this never fit.
	c.done = newLRU(o.MaxBytes/rewrappedOverhead+1, func(_ source, r *Rewrapped) { c.bytes -= r.size() })
	return c, nil
}

// CountMoved returns how many distinct DEKs have been rewrapped. One that the
// cache had forgotten meanwhile counts again.
func (c *RewrapKeys) CountMoved() int64 { return c.moved.Load() }

func (r *Rewrapped) size() int { return len(r.Recipients) + rewrappedOverhead }

// RewrapRecipients returns the new recipients of a self-contained envelope with
// this commitment, of CommitmentSize bytes, and these encoded recipients. The
// errors are ErrUnknownKey, ErrWrongKey, the Codec's, ctx's, or that of a KEK
// that cannot be used, a *keys.Error. It waits while a key service or the audit
// log is away, until ctx ends.
//
// Unless the DEK was seen or Verify is set, nobody has compared the commitment:
// that is left to those who open the envelope.
func (c *RewrapKeys) RewrapRecipients(ctx context.Context, commitment, encoded []byte) (*Rewrapped, error) {
	if len(commitment) != chunker.CommitmentSize {
		return nil, ErrWrongKey
	}
	r, err := c.getResult(ctx, source{name: sha256.Sum256(encoded)}, func(ctx context.Context, r *Rewrapped) error {
		return c.rewrapRecipients(ctx, commitment, encoded, r)
	})
	if err != nil {
		return nil, err
	}
	return r, r.checkCommitment(commitment)
}

// checkCommitment returns ErrWrongKey if r is known to be of another DEK than
// that with this commitment.
func (r *Rewrapped) checkCommitment(commitment []byte) error {
	if r.seen && string(r.commitment[:]) != string(commitment) { // neither is secret
		return ErrWrongKey
	}
	return nil
}

// RewrapRecord puts a key record for the new KEKs into the store, unless there
// is one, for the DEK with this kid of KIDSize bytes. Its errors are those of
// RewrapRecipients. It waits while the store is away too.
func (c *RewrapKeys) RewrapRecord(ctx context.Context, kid []byte) (*Rewrapped, error) {
	if c.o.Store == nil || len(kid) != KIDSize {
		return nil, ErrUnknownKey
	}
	from := source{record: true}
	copy(from.name[:], kid)
	return c.getResult(ctx, from, func(ctx context.Context, r *Rewrapped) error {
		return c.rewrapStored(ctx, [KIDSize]byte(kid), r)
	})
}

// rewrapWork fills r.
type rewrapWork func(ctx context.Context, r *Rewrapped) error

// getResult finds the result for a DEK, or has it made.
func (c *RewrapKeys) getResult(ctx context.Context, from source, do rewrapWork) (*Rewrapped, error) {
	if r, known := c.lookUp(from); known {
		return r, r.refused
	}
	return c.awaitResult(ctx, from, do)
}

// awaitResult has the work done by one caller, however many ask.
func (c *RewrapKeys) awaitResult(ctx context.Context, from source, do rewrapWork) (*Rewrapped, error) {
	var r *Rewrapped
	err := c.flights.doOnce(ctx, from, func() (known bool) {
		r, known = c.lookUp(from)
		return known
	}, func(ctx context.Context) (err error) {
		r, err = c.makeResult(ctx, from, do)
		return err
	})
	if err == nil {
		err = r.refused
	}
	return r, err
}

// lookUp looks into the cache.
func (c *RewrapKeys) lookUp(from source) (*Rewrapped, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.done.get(from)
	if ok && r.refused != nil && !time.Now().Before(r.expires) {
		c.done.drop(from)
		return nil, false
	}
	return r, ok
}

// makeResult does the work and keeps the result. A refusal is remembered for as
// long as OpenKeys remembers it.
func (c *RewrapKeys) makeResult(ctx context.Context, from source, do rewrapWork) (*Rewrapped, error) {
	r := &Rewrapped{}
	err := do(ctx, r)
	if isRefusal(err) {
		*r = Rewrapped{refused: err, expires: time.Now().Add(refusedAge(from))}
	}
	if err == nil || r.refused != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.keepResult(from, r)
	}
	return r, err
}

// keepResult keeps a result and forgets those that were asked for longest ago,
// as far as it must. The caller holds c.mu.
func (c *RewrapKeys) keepResult(from source, r *Rewrapped) {
	c.done.put(from, r)
	c.bytes += r.size()
	for c.bytes > c.o.MaxBytes {
		oldest, _, ok := c.done.oldest()
		if !ok {
			return
		}
		c.done.drop(oldest)
	}
}
