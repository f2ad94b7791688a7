package kekcache

import (
	"context"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// How a DEK came to its new recipients: Event.Why of OpRewrapped.
const (
	whyMoved = "inside the key service"
	whySeen  = "unwrapped in this process"
)

// recipients fills r with what is to stand instead of encoded, and records that. Whether the DEK is the one that was asked for is
// not compared here, so that forged envelopes with recipients of another one cost no more than the first of them.
func (c *Rewrapping) recipients(ctx context.Context, claimed, encoded []byte, r *Rewrapped) error {
	known, all, err := c.o.Codec.Parse(encoded)
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
	err = anyOf(ctx, c.o.Log, c.attempts(known), func(a attempt) (err error) {
		*r = Rewrapped{}
		now, event.Why, err = c.rewrap(ctx, a, r)
		event.KEKs = []string{a.kek.Name()}
		return err
	})
	if err != nil {
		return err
	}
	if r.Recipients, err = c.o.Codec.Append(nil, now); err != nil {
		return err
	}
	if err := c.audit(ctx, event, r); err != nil {
		return err
	}
	c.moved.Add(1)
	return nil
}

// audit records that a DEK was rewrapped, before anything comes of it.
func (c *Rewrapping) audit(ctx context.Context, e Event, r *Rewrapped) error {
	if r.seen {
		e.KID = slices.Clone(r.commitment[:KIDSize])
	}
	for _, t := range c.o.To {
		e.KEKs = append(e.KEKs, t.Name())
	}
	return c.recordEvent(ctx, e)
}

// recordEvent waits while nothing can be recorded, as for a key service.
func (c *Rewrapping) recordEvent(ctx context.Context, e Event) error {
	if c.o.Audit == nil {
		return nil
	}
	return c.until(ctx, "the audit log", func() error { return c.o.Audit.Record(e) })
}

// already tells whether recipients are for exactly the new KEKs, in any order.
func (c *Rewrapping) already(known []keys.Wrapped, all int) bool {
	return all == len(c.o.To) && len(known) == all && !slices.ContainsFunc(c.o.To, func(t Target) bool {
		return !slices.ContainsFunc(known, func(w keys.Wrapped) bool { return t.Fits(&w) })
	})
}

// attempts has each old KEK asked for one wrapped key at most, in the order in which the KEKs are configured.
func (c *Rewrapping) attempts(recipients []keys.Wrapped) []attempt {
	var all []attempt
	for _, kek := range c.o.From {
		all = appendFit(all, kek, recipients)
	}
	return all
}

// openers are those of the new KEKs that can unwrap, with what is wrapped for them.
func (c *Rewrapping) openers(recipients []keys.Wrapped) []attempt {
	var all []attempt
	for _, t := range c.o.To {
		if kek, can := t.(keys.Unwrapper); can {
			all = appendFit(all, kek, recipients)
		}
	}
	return all
}

func appendFit(all []attempt, kek keys.Unwrapper, recipients []keys.Wrapped) []attempt {
	if i := slices.IndexFunc(recipients, func(w keys.Wrapped) bool { return kek.Fits(&w) }); i >= 0 {
		all = append(all, attempt{kek, &recipients[i]})
	}
	return all
}

// rewrap has the DEK of one old KEK wrapped for the new ones, and says how.
//
// A DEK that one of the targets must be shown has entered this process, and then nothing is gained by moving it to the
// others unseen, where its commitment could not be compared: so it is all of them or none.
func (c *Rewrapping) rewrap(ctx context.Context, a attempt, r *Rewrapped) ([]keys.Wrapped, string, error) {
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
func (c *Rewrapping) movers(from keys.Unwrapper) []keys.Rewrapper {
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
func (c *Rewrapping) move(ctx context.Context, a attempt, movers []keys.Rewrapper) ([]keys.Wrapped, error) {
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
func (c *Rewrapping) wrapSeen(ctx context.Context, a attempt, r *Rewrapped) ([]keys.Wrapped, error) {
	dek, err := c.see(ctx, a, r)
	defer clear(dek)
	if err != nil {
		return nil, err
	}
	now := make([]keys.Wrapped, len(c.o.To))
	for i, t := range c.o.To {
		if now[i], err = t.Wrap(ctx, c.o.Context, dek); err != nil {
			return nil, err
		}
	}
	return now, nil
}

// verify unwraps with each of the openers, and waits for those that are away. All must find the same DEK. That it was in this
// process is audited.
func (c *Rewrapping) verify(ctx context.Context, openers []attempt, r *Rewrapped) error {
	for _, a := range openers {
		err := anyOf(ctx, c.o.Log, []attempt{a}, func(a attempt) error {
			dek, err := c.see(ctx, a, r)
			clear(dek)
			return err
		})
		if err != nil {
			return err
		}
		e := Event{Op: OpUnwrapped, KEKs: []string{a.kek.Name()}, KID: slices.Clone(r.commitment[:KIDSize])}
		if err := c.recordEvent(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// see unwraps a DEK, which the caller clears, error or not. r then says which one it is; if it said so before, it must be the same.
func (c *Rewrapping) see(ctx context.Context, a attempt, r *Rewrapped) ([]byte, error) {
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
