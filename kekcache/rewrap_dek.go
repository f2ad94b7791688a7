package kekcache

import (
	"context"
	"slices"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/secret"
	"github.com/streamcrypt/streamcrypt/keys"
)

// rewrapDEK has the DEK of one old KEK wrapped for the new ones, and says in
// which way.
//
// A DEK that one of the new KEKs must be shown has entered this process.
// Nothing is gained then by moving it to the others unseen, where its
// commitment could not be compared: so it is moved to all of them or to none.
func (c *RewrapKeys) rewrapDEK(ctx context.Context, p unwrapPair, r *Rewrapped) ([]keys.Wrapped, string, error) {
	movers := c.findMovers(p.kek)
	if movers == nil {
		now, err := c.wrapSeen(ctx, p, r)
		return now, whySeen, err
	}
	now, err := c.moveUnseen(ctx, p, movers)
	if err != nil || !c.o.Verify {
		return now, whyMoved, err
	}
	return now, whyMoved, c.verifyAll(ctx, now, &p, r)
}

// findMovers returns all new KEKs if every one takes over wrapped keys of from
// without showing them, and nil otherwise.
func (c *RewrapKeys) findMovers(from keys.Unwrapper) []keys.Rewrapper {
	movers := make([]keys.Rewrapper, len(c.o.To))
	for i, t := range c.o.To {
		m, ok := t.(keys.Rewrapper)
		if !ok || !m.CanRewrap(from) {
			return nil
		}
		movers[i] = m
	}
	return movers
}

// moveUnseen has the DEK wrapped for the new KEKs by their services. It is
// never in this process.
func (c *RewrapKeys) moveUnseen(ctx context.Context, p unwrapPair, movers []keys.Rewrapper) ([]keys.Wrapped, error) {
	now := make([]keys.Wrapped, len(movers))
	for i, m := range movers {
		var err error
		began := c.observed.beginCall()
		now[i], err = m.Rewrap(ctx, c.o.Context, p.kek, p.wrapped)
		c.observed.noteCall(ctx, callRewrap, m.Name(), began, err)
		if err != nil {
			return nil, err
		}
	}
	return now, nil
}

// wrapSeen unwraps the DEK and wraps it for the new KEKs.
func (c *RewrapKeys) wrapSeen(ctx context.Context, p unwrapPair, r *Rewrapped) (now []keys.Wrapped, err error) {
	secret.Do(func() {
		var dek []byte
		dek, err = c.unwrapSeen(ctx, p, r)
		defer clear(dek)
		now = make([]keys.Wrapped, len(c.o.To))
		for i, t := range c.o.To {
			if err != nil {
				return
			}
			began := c.observed.beginCall()
			now[i], err = t.Wrap(ctx, c.o.Context, dek)
			c.observed.noteCall(ctx, callWrap, t.Name(), began, err)
		}
	})
	return now, err
}

// verifyAll unwraps recipients with each of the new KEKs that can, or with old
// if none can, and waits for those that are away. All must find the same DEK.
// The audit log is told that the DEK was in this process.
func (c *RewrapKeys) verifyAll(ctx context.Context, recipients []keys.Wrapped, old *unwrapPair, r *Rewrapped) error {
	all := newAttempts()
	all.addRecipients(c.newUnwrappers(), recipients, 0)
	pairs := all.pairs
	if len(pairs) == 0 && old != nil {
		pairs = []unwrapPair{*old}
	}
	for _, p := range pairs {
		asking, requests := keys.CollectRequests(ctx)
		one := newAttempts()
		one.pairs = []unwrapPair{p}
		err := c.askPatiently(ctx, one, func(p unwrapPair) (err error) {
			secret.Do(func() {
				var dek []byte
				dek, err = c.unwrapSeen(asking, p, r)
				clear(dek)
			})
			return err
		})
		if err != nil {
			return err
		}
		e := Event{
			Op: OpUnwrapped, KEKs: []string{p.kek.Name()}, KID: slices.Clone(r.commitment[:KIDSize]),
			Requests: requests.IDs(),
		}
		if err := c.recordEvent(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// newUnwrappers returns those of the new KEKs that can unwrap.
func (c *RewrapKeys) newUnwrappers() (keks []keys.Unwrapper) {
	for _, t := range c.o.To {
		if kek, can := t.(keys.Unwrapper); can {
			keks = append(keks, kek)
		}
	}
	return keks
}

// unwrapSeen unwraps a DEK, which the caller clears, error or not. r then says
// which DEK it is; if it said so before, it must be the same.
func (c *RewrapKeys) unwrapSeen(ctx context.Context, p unwrapPair, r *Rewrapped) ([]byte, error) {
	began := c.observed.beginCall()
	dek, err := p.kek.Unwrap(ctx, c.o.Context, nil, p.wrapped)
	c.observed.noteCall(ctx, callUnwrap, p.kek.Name(), began, err)
	switch {
	case err != nil:
		return dek, err
	case len(dek) != chunker.KeySize:
		return dek, errKeySize(p.kek, len(dek))
	}
	commitment := chunker.Commitment((*[chunker.KeySize]byte)(dek))
	if err := r.checkCommitment(commitment[:]); err != nil {
		return dek, err
	}
	r.commitment, r.seen = commitment, true
	return dek, nil
}
