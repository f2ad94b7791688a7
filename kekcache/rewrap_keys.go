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
	Signers []keys.Verifier  // of which one must vouch for a DEK; none: nobody needs to
	Skew    time.Duration    // how far clocks may differ; default DefaultSkew, negative: not at all
	// PassUntrusted has DEKs of public keys rewrapped for keys that vouch for
	// them, although no signer does: a reader then takes a stranger's for one
	// of a sealer.
	PassUntrusted bool
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
	valid      Validity  // of a kid: that of the key record
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
	signers  *signers
	budgets  *budgets
	observed observed
	moved    atomic.Int64
	vouching atomic.Bool // one of the new KEKs is known to vouch: no call is needed to find out
	flights  flights[source]
	kept     keptRecords
	index    *nameIndex

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
	signers, err := newSigners(o.Codec, o.Context.Name, o.Signers, o.Skew)
	if err != nil {
		return nil, err
	}
	o.From, o.To = slices.Clone(o.From), slices.Clone(o.To)
	c := &RewrapKeys{o: o, signers: signers, budgets: newBudgets(), index: newNameIndex(o.Store),
		observed: observed{to: o.Observer, side: Rewrapping, context: o.Context.Name}}
	// The bytes are its bound; as many entries as this never fit.
	c.done = newLRU(o.MaxBytes/rewrappedOverhead+1, func(_ source, r *Rewrapped) { c.bytes -= r.size() })
	return c, nil
}

// CountMoved returns how many distinct DEKs have been rewrapped. One that the
// cache had forgotten meanwhile counts again.
func (c *RewrapKeys) CountMoved() int64 { return c.moved.Load() }

func (r *Rewrapped) size() int { return len(r.Recipients) + rewrappedOverhead }

// RewrapRecipients returns the new recipients of a self-contained envelope that
// was read from a place, and when its DEK may have sealed. The errors are
// ErrUntrusted, ErrUnknownKey, ErrWrongKey, the Codec's, ctx's, or that of a
// KEK that cannot be used, a *keys.Error. It waits while a key service or the
// audit log is away, or the place has had too many unwraps fail, until ctx
// ends.
//
// Unless the DEK was seen or Verify is set, nobody has compared the commitment:
// that is left to those who open the envelope.
func (c *RewrapKeys) RewrapRecipients(ctx context.Context, place string, s *Sealed) (*Rewrapped, Validity, error) {
	if len(s.Commitment) != chunker.CommitmentSize {
		return nil, Validity{}, ErrWrongKey
	}
	valid, err := c.signers.check(s)
	if err != nil {
		return nil, valid, err
	}
	r, err := c.rewrapSealed(ctx, place, s)
	if err != nil {
		return nil, valid, err
	}
	return r, valid, r.checkCommitment(s.Commitment)
}

// rewrapSealed finds the result for the recipients of an envelope or a key
// record, or has it made. Whether the DEK is the one that is claimed is not
// compared here, so that forged envelopes with recipients of another one cost
// no more than the first of them.
func (c *RewrapKeys) rewrapSealed(ctx context.Context, place string, s *Sealed) (*Rewrapped, error) {
	known, all, err := c.o.Codec.ParseRecipients(s.Recipients)
	if err != nil {
		return nil, err
	}
	if c.areDone(known, all) {
		return c.keepRecipients(ctx, place, s, known)
	}
	tries := newAttempts()
	tries.addRecipients(c.o.From, known, 0)
	return c.rewrapPairs(ctx, place, s.Commitment, tries)
}

// keepRecipients is for recipients that are for exactly the new KEKs.
func (c *RewrapKeys) keepRecipients(
	ctx context.Context, place string, s *Sealed, known []keys.Wrapped,
) (*Rewrapped, error) {
	if !c.o.Verify {
		return &Rewrapped{Recipients: slices.Clone(s.Recipients), Already: true}, nil
	}
	from := source{of: ofRecipients, name: sha256.Sum256(s.Recipients)}
	if r, known := c.lookUp(from); known {
		return r, r.refused
	}
	if err := c.budgets.wait(ctx, place); err != nil {
		return nil, err
	}
	return c.getResult(ctx, from, func(ctx context.Context, r *Rewrapped) error {
		r.Recipients, r.Already = slices.Clone(s.Recipients), true
		err := c.verifyAll(ctx, known, nil, r)
		if isRefusal(err) && slices.ContainsFunc(c.newUnwrappers(), isLimited) {
			c.budgets.charge(place)
		}
		return err
	})
}

// rewrapPairs goes by the one recipient that is tried, as OpenKeys does: of one
// pair after the other it finds the result or has it made, until one is good.
// While the service of a pair is away, it goes on with the next one, and waits
// only when none is left.
func (c *RewrapKeys) rewrapPairs(
	ctx context.Context, place string, claimed []byte, tries *unwrapAttempts,
) (r *Rewrapped, err error) {
	var refused error
	pairs := slices.Clone(tries.pairs)
	look := func() (known bool) {
		r, known, refused = c.lookUpPairs(pairs, claimed)
		return known
	}
	if look() {
		return r, refused
	}
	if slices.ContainsFunc(pairs, func(p unwrapPair) bool { return isLimited(p.kek) }) {
		if err := c.budgets.wait(ctx, place); err != nil {
			return nil, err
		}
	}
	err = c.flights.doOnce(ctx, tries.source(), look, func(ctx context.Context) error {
		return c.askPatiently(ctx, tries, func(p unwrapPair) (err error) {
			r, err = c.makePair(ctx, place, claimed, p)
			return err
		})
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// makePair finds or makes the result of one pair.
func (c *RewrapKeys) makePair(ctx context.Context, place string, claimed []byte, p unwrapPair) (*Rewrapped, error) {
	return c.getResult(ctx, p.source(), func(ctx context.Context, r *Rewrapped) error {
		err := c.rewrapPair(ctx, claimed, p, r)
		if isBadWrap(err) && isLimited(p.kek) {
			c.budgets.charge(place)
		}
		return err
	})
}

// lookUpPairs tells what is known: the result of one of the pairs, or that
// there is none.
func (c *RewrapKeys) lookUpPairs(pairs []unwrapPair, claimed []byte) (r *Rewrapped, known bool, refused error) {
	for i := range pairs {
		r, known := c.lookUp(pairs[i].source())
		if known && r.refused == nil && r.checkCommitment(claimed) == nil {
			return r, true, nil
		}
	}
	all := newAttempts()
	for i := range pairs {
		r, known := c.lookUp(pairs[i].source())
		switch {
		case !known:
			return nil, false, nil
		case r.refused == nil:
			return r, true, nil
		}
		all.noteFailure(r.refused)
	}
	return nil, true, all.failed
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
func (c *RewrapKeys) RewrapRecord(ctx context.Context, place string, kid []byte) (*Rewrapped, Validity, error) {
	if len(kid) != KIDSize {
		return nil, Validity{}, ErrUnknownKey
	}
	r, err := c.getResult(ctx, sourceOfKID([KIDSize]byte(kid)), func(ctx context.Context, r *Rewrapped) error {
		return c.rewrapStored(ctx, place, [KIDSize]byte(kid), r)
	})
	if err != nil {
		return nil, Validity{}, err
	}
	return r, r.valid, nil
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
	if isRefusal(err) || isBadWrap(err) {
		*r = Rewrapped{refused: err, expires: time.Now().Add(refusedAge(from.of))}
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
