package kekcache

import (
	"context"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/keys"
)

// Ways in which a DEK came to its new recipients: Event.Why of OpRewrapped.
const (
	whyMoved   = "inside the key service"
	whyClaimed = "inside the key service; the kid is claimed, not verified"
	whySeen    = "unwrapped in this process"
)

// rewrapPair fills r with the recipients that stand instead of those of which p
// is one, and audits that. The DEK is claimed to have a commitment, and the
// audit log is told if nobody has seen that.
func (c *RewrapKeys) rewrapPair(ctx context.Context, claimed []byte, p unwrapPair, r *Rewrapped) error {
	if c.vouching.Load() && !c.mayVouch(p) {
		return errVouching
	}
	asking, requests := keys.CollectRequests(ctx)
	now, why, err := c.rewrapDEK(asking, p, r)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(now, func(w keys.Wrapped) bool { return keys.Vouches(w.Alg) }) {
		c.vouching.Store(true)
		if !c.mayVouch(p) {
			return errVouching
		}
	}
	if r.Recipients, err = c.o.Codec.AppendRecipients(nil, now); err != nil {
		return err
	}
	event := Event{
		Op: OpRewrapped, KEKs: append([]string{p.kek.Name()}, namesOf(c.o.To)...), Why: why, Requests: requests.IDs(),
	}
	if r.seen {
		event.KID = slices.Clone(r.commitment[:KIDSize])
	} else {
		event.KID, event.Why = slices.Clone(claimed[:KIDSize]), whyClaimed
	}
	if err := c.recordEvent(ctx, event); err != nil {
		return err
	}
	c.moved.Add(1)
	return nil
}

// mayVouch tells whether a DEK may become one that is vouched for. A stranger's
// must not: anybody can wrap for a public key (docs/envelope.md, section 15).
func (c *RewrapKeys) mayVouch(p unwrapPair) bool {
	return c.o.PassUntrusted || c.signers.areConfigured() || keys.Vouches(p.wrapped.Alg)
}

var errVouching = fmt.Errorf("%w: anybody can wrap for a public key, and the new key would vouch for it", ErrUntrusted)

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
