package kekcache

import (
	"context"
	"slices"

	"github.com/streamcrypt/streamcrypt/keys"
)

// Ways in which a DEK came to its new recipients: Event.Why of OpRewrapped.
const (
	whyMoved = "inside the key service"
	whySeen  = "unwrapped in this process"
)

// rewrapRecipients fills r with the recipients that stand instead of encoded,
// and audits that. Whether the DEK is the one that was asked for is not
// compared here, so that forged envelopes with recipients of another one cost
// no more than the first of them.
func (c *RewrapKeys) rewrapRecipients(ctx context.Context, claimed, encoded []byte, r *Rewrapped) error {
	known, all, err := c.o.Codec.ParseRecipients(encoded)
	if err != nil {
		return err
	}
	if c.areDone(known, all) {
		r.Recipients, r.Already = slices.Clone(encoded), true
		if c.o.Verify {
			return c.verifyAll(ctx, known, nil, r)
		}
		return nil
	}
	event := Event{Op: OpRewrapped, KID: slices.Clone(claimed[:KIDSize])}
	var now []keys.Wrapped
	err = c.askOldKEKs(ctx, known, func(p unwrapPair) (err error) {
		*r = Rewrapped{}
		asking, requests := keys.CollectRequests(ctx)
		now, event.Why, err = c.rewrapDEK(asking, p, r)
		event.KEKs, event.Requests = []string{p.kek.Name()}, requests.IDs()
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
	if err := c.recordEvent(ctx, event); err != nil {
		return err
	}
	c.moved.Add(1)
	return nil
}

// askOldKEKs calls do for one old KEK after the other until it succeeds. It
// waits for services that are away, but only when no other old KEK unwraps the
// key.
func (c *RewrapKeys) askOldKEKs(ctx context.Context, recipients []keys.Wrapped, do func(unwrapPair) error) error {
	all := newAttempts()
	all.addRecipients(c.o.From, recipients, 0)
	return c.askPatiently(ctx, all, do)
}

// askPatiently makes attempts until do succeeds for one. It logs once that a
// service is away, and once that it is back.
func (c *RewrapKeys) askPatiently(ctx context.Context, all *unwrapAttempts, do func(unwrapPair) error) error {
	var last unwrapPair
	tries := repetition{
		mayPass: isAway,
		waiting: func(err error) { c.o.Log.Warn("a key service is away", "error", err) },
		waited: func(err error) {
			if err == nil {
				c.o.Log.Info("a key service is back", "key", last.kek.Name())
			}
		},
	}
	return tries.run(ctx, func() error {
		return all.tryPairs(ctx, func(p unwrapPair) error {
			last = p
			return do(p)
		})
	})
}

// recordEvent audits an event before anything comes of it. While that cannot be
// done it waits, as for a key service.
func (c *RewrapKeys) recordEvent(ctx context.Context, e Event) error {
	if c.o.Audit != nil {
		if err := c.untilBack(ctx, "the audit log", func() error { return c.o.Audit.Record(e) }); err != nil {
			return err
		}
	}
	c.observed.noteEvent(e.Op, e.KEKs, e.Why)
	return nil
}

// untilBack calls do until it succeeds. It logs once that its object is away,
// and once that it is back.
func (c *RewrapKeys) untilBack(ctx context.Context, object string, do func() error) error {
	tries := repetition{
		waiting: func(err error) { c.o.Log.Warn(object+" is away", "error", err) },
		waited: func(err error) {
			if err == nil {
				c.o.Log.Info(object + " is back")
			}
		},
	}
	return tries.run(ctx, do)
}

// areDone says that recipients are for exactly the new KEKs, in any order: each
// is for one of them, and each of them has one.
func (c *RewrapKeys) areDone(known []keys.Wrapped, all int) bool {
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
