package kekcache

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/secret"
	"github.com/streamcrypt/streamcrypt/keys"
)

// openRecipients returns the DEK that one of recipients is for, if it has this
// commitment. It waits for services that are away, but only when no other KEK
// unwraps the key.
func (c *OpenKeys) openRecipients(
	ctx context.Context, place string, recipients []keys.Wrapped, commitment []byte, valid Validity,
) (key *OpenedKey, err error) {
	var refused error
	look := func() (known bool) {
		key, known, refused = c.lookUpPairs(recipients, commitment, valid)
		return known
	}
	if look() {
		return key, refused
	}
	all := c.newAttempts(recipients)
	if err := c.awaitBudget(ctx, place, all); err != nil {
		return nil, err
	}
	err = c.loads.doOnce(ctx, all.source(), look, func(ctx context.Context) (err error) {
		key, err = c.loadPairs(ctx, place, recipients, commitment, valid)
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return nil, err
	}
	return key, nil
}

// newAttempts returns the ways to unwrap with the present KEKs.
func (c *OpenKeys) newAttempts(recipients []keys.Wrapped) *unwrapAttempts {
	all := newAttempts()
	keks, _ := c.currentKEKs()
	all.addRecipients(keks, recipients, 0)
	return all
}

// awaitBudget waits until the place may have a key service asked. That is done
// before anything that others wait for.
func (c *OpenKeys) awaitBudget(ctx context.Context, place string, all *unwrapAttempts) error {
	for i := range all.pairs {
		if isLimited(all.pairs[i].kek) {
			return c.budgets.wait(ctx, place)
		}
	}
	return nil
}

// lookUpPairs tells what the cache knows: a key with this commitment that one
// of the KEKs has unwrapped, or that the first KEK which unwraps anything gives
// another one, or that none does. Recipients that no KEK fits cost nothing, and
// neither do those that were added to some of which the key is known.
func (c *OpenKeys) lookUpPairs(
	recipients []keys.Wrapped, commitment []byte, valid Validity,
) (key *OpenedKey, known bool, err error) {
	all := c.newAttempts(recipients)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range all.pairs {
		from := all.pairs[i].source()
		if d := c.findDEK(from); d != nil && d.verifyCommitment(commitment) == nil {
			key, err = c.makeKey(from, d, valid)
			return key, true, err
		}
	}
	for i := range all.pairs {
		from := all.pairs[i].source()
		if d := c.findDEK(from); d != nil {
			return nil, true, d.verifyCommitment(commitment)
		}
		refused := c.findRefusal(from)
		if refused == nil {
			return nil, false, nil
		}
		all.noteFailure(refused)
	}
	return nil, true, all.failed
}

// loadPairs asks the KEKs for a DEK and keeps it.
func (c *OpenKeys) loadPairs(
	ctx context.Context, place string, recipients []keys.Wrapped, commitment []byte, valid Validity,
) (*OpenedKey, error) {
	keks, generation := c.currentKEKs()
	all := newAttempts()
	all.addRecipients(keks, recipients, 0)
	var d dek
	defer clear(d.key[:])
	var from source
	asking, requests := keys.CollectRequests(ctx)
	err := c.health.repeat(isAway).run(asking, func() error {
		return all.tryPairs(asking, func(p unwrapPair) error {
			from = p.source()
			return c.unwrapPair(asking, place, p, &d, generation)
		})
	})
	if err == nil {
		err = d.verifyCommitment(commitment)
	}
	if err = c.noteRefused(ctx, keks, commitment, &d, requests, err); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() != generation { // this flight is void
		return nil, errVoid
	}
	return c.makeKey(from, &d, valid)
}

// errVoid is dropped with the flight that it ends.
var errVoid = errors.New("kekcache: other keys were loaded meanwhile")

// unwrapPair fills d: from the cache, or by asking the KEK once. Results are
// kept under the name of the pair, and that a wrapped key does not unwrap is
// remembered.
func (c *OpenKeys) unwrapPair(ctx context.Context, place string, p unwrapPair, d *dek, generation uint64) error {
	from := p.source()
	c.mu.Lock()
	kept, refused := c.findDEK(from), c.findRefusal(from)
	if kept != nil {
		*d = *kept
	}
	c.mu.Unlock()
	if kept != nil || refused != nil {
		return refused
	}
	asking, requests := keys.CollectRequests(ctx)
	err := c.askKEK(asking, p, d)
	switch {
	case err == nil:
		if err := c.noteUnwrapped(ctx, d, requests); err != nil {
			return err
		}
		c.keepDEK(from, d, generation)
	case isBadWrap(err):
		if isLimited(p.kek) {
			c.budgets.charge(place)
		}
		c.keepRefusal(from, err, generation)
	}
	return err
}

// askKEK fills d if the error is nil, and otherwise leaves it as it was.
func (c *OpenKeys) askKEK(ctx context.Context, p unwrapPair, d *dek) (err error) {
	began := c.observed.beginCall()
	secret.Do(func() {
		var b []byte
		b, err = p.kek.Unwrap(ctx, c.o.Context, nil, p.wrapped)
		defer clear(b)
		switch {
		case err != nil:
		case len(b) != chunker.KeySize:
			err = errKeySize(p.kek, len(b))
		default:
			d.key = [chunker.KeySize]byte(b)
			d.commitment = chunker.Commitment(&d.key)
			d.kek, d.vouched = p.kek.Name(), keys.Vouches(p.wrapped.Alg)
			d.expires = c.clock.look().age + c.o.MaxAge
		}
	})
	c.observed.noteCall(ctx, callUnwrap, p.kek.Name(), began, err)
	c.health.noteAnswer(ctx, kekDependency(p.kek.Name()), err)
	return err
}

// errKeySize says that a KEK unwrapped something that is no DEK.
func errKeySize(kek keys.Unwrapper, size int) error {
	cause := fmt.Errorf("a key of %d bytes", size)
	return &keys.Error{Class: keys.BadWrap, Key: kek.Name(), Op: "unwrap", Err: cause}
}
