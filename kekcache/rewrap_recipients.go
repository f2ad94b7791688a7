package kekcache

import (
	"context"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/secret"
	"github.com/streamcrypt/streamcrypt/keys"
)

// How a DEK came to its new recipients: Event.Why of OpRewrapped.
const (
	whyMoved = "inside the key service"
	whySeen  = "unwrapped in this process"
)

// recipients fills r with what is to stand instead of encoded, and records that. Whether the DEK is the one that was asked for is
// not compared here, so that forged envelopes with recipients of another one cost no more than the first of them.
func (c *RewrapKeys) recipients(ctx context.Context, claimed, encoded []byte, r *Rewrapped) error {
	known, all, err := c.o.Codec.ParseRecipients(encoded)
	if err != nil {
		return err
	}
	if c.already(known, all) {
		r.Recipients, r.Already = slices.Clone(encoded), true
		if c.o.Verify {
			return c.verify(ctx, c.openers(known), r)
		}
		return nil
	}
	var now []keys.Wrapped
	event := Event{Op: OpRewrapped, KID: slices.Clone(claimed[:KIDSize])}
	err = anyOf(ctx, c.o.Log, attempts(c.o.From, known), func(a attempt) (err error) {
		*r = Rewrapped{}
		now, event.Why, err = c.rewrap(ctx, a, r)
		event.KEKs = []string{a.kek.Name()}
		return err
	})
	if err != nil {
		return err
	}
	if r.Recipients, err = c.o.Codec.AppendRecipients(nil, now); err != nil {
		return err
	}
	if r.seen {
		event.KID = slices.Clone(r.commitment[:KIDSize])
	}
	event.KEKs = append(event.KEKs, namesOf(c.o.To)...)
	if err := c.audit(ctx, event); err != nil {
		return err
	}
	c.moved.Add(1)
	return nil
}

// audit records what was done, before anything comes of it. While that cannot be it waits, as for a key service.
func (c *RewrapKeys) audit(ctx context.Context, e Event) error {
	if c.o.Audit == nil {
		return nil
	}
	return c.until(ctx, "the audit log", func() error { return c.o.Audit.Record(e) })
}

// already tells whether recipients are for exactly the new KEKs, in any order: each is for one of them, and each of them has one.
func (c *RewrapKeys) already(known []keys.Wrapped, all int) bool {
	if all != len(c.o.To) || len(known) != all {
		return false
	}
	for i := range known {
		if !slices.ContainsFunc(c.o.To, func(t keys.Wrapper) bool { return t.Fits(&known[i]) }) {
			return false
		}
	}
	for _, t := range c.o.To {
		if !slices.ContainsFunc(known, func(w keys.Wrapped) bool { return t.Fits(&w) }) {
			return false
		}
	}
	return true
}

// openers are those of the new KEKs that can unwrap, with what is wrapped for them.
func (c *RewrapKeys) openers(recipients []keys.Wrapped) []attempt {
	var keks []keys.Unwrapper
	for _, t := range c.o.To {
		if kek, can := t.(keys.Unwrapper); can {
			keks = append(keks, kek)
		}
	}
	return attempts(keks, recipients)
}

// rewrap has the DEK of one old KEK wrapped for the new ones, and says how.
//
// A DEK that one of the targets must be shown has entered this process, and then nothing is gained by moving it to the
// others unseen, where its commitment could not be compared: so it is all of them or none.
func (c *RewrapKeys) rewrap(ctx context.Context, a attempt, r *Rewrapped) ([]keys.Wrapped, string, error) {
	movers := c.movers(a.kek)
	if movers == nil {
		now, err := c.wrapSeen(ctx, a, r)
		return now, whySeen, err
	}
	now, err := c.move(ctx, a, movers)
	if err != nil || !c.o.Verify {
		return now, whyMoved, err
	}
	openers := c.openers(now)
	if openers == nil {
		openers = []attempt{a}
	}
	return now, whyMoved, c.verify(ctx, openers, r)
}

// movers returns all targets if every one takes what from unwraps without showing it, else nil.
func (c *RewrapKeys) movers(from keys.Unwrapper) []keys.Rewrapper {
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

// move has the DEK wrapped for the new KEKs by their services. It is never in this process.
func (c *RewrapKeys) move(ctx context.Context, a attempt, movers []keys.Rewrapper) ([]keys.Wrapped, error) {
	now := make([]keys.Wrapped, len(movers))
	for i, m := range movers {
		var err error
		if now[i], err = m.Rewrap(ctx, c.o.Context, a.kek, a.wrapped); err != nil {
			return nil, err
		}
	}
	return now, nil
}

// wrapSeen unwraps the DEK and wraps it for the new KEKs.
func (c *RewrapKeys) wrapSeen(ctx context.Context, a attempt, r *Rewrapped) (now []keys.Wrapped, err error) {
	secret.Do(func() {
		var dek []byte
		dek, err = c.see(ctx, a, r)
		defer clear(dek)
		now = make([]keys.Wrapped, len(c.o.To))
		for i, t := range c.o.To {
			if err != nil {
				return
			}
			now[i], err = t.Wrap(ctx, c.o.Context, dek)
		}
	})
	return now, err
}

// verify unwraps with each of the openers, and waits for those that are away. All must find the same DEK. That it was in this
// process is audited.
func (c *RewrapKeys) verify(ctx context.Context, openers []attempt, r *Rewrapped) error {
	for _, a := range openers {
		err := anyOf(ctx, c.o.Log, []attempt{a}, func(a attempt) (err error) {
			secret.Do(func() {
				var dek []byte
				dek, err = c.see(ctx, a, r)
				clear(dek)
			})
			return err
		})
		if err != nil {
			return err
		}
		if err := c.audit(ctx, Event{Op: OpUnwrapped, KEKs: []string{a.kek.Name()}, KID: slices.Clone(r.commitment[:KIDSize])}); err != nil {
			return err
		}
	}
	return nil
}

// see unwraps a DEK, which the caller clears, error or not. r then says which one it is; if it said so before, it must be the same.
func (c *RewrapKeys) see(ctx context.Context, a attempt, r *Rewrapped) ([]byte, error) {
	dek, err := a.kek.Unwrap(ctx, c.o.Context, nil, a.wrapped)
	switch {
	case err != nil:
		return dek, err
	case len(dek) != chunker.KeySize:
		cause := fmt.Errorf("a key of %d bytes", len(dek))
		return dek, &keys.Error{Class: keys.BadWrap, Key: a.kek.Name(), Op: "unwrap", Err: cause}
	}
	commitment := chunker.Commitment((*[chunker.KeySize]byte)(dek))
	if err := r.Check(commitment[:]); err != nil {
		return dek, err
	}
	r.commitment, r.seen = commitment, true
	return dek, nil
}
