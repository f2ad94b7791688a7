package kekcache

import (
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/secret"
	"github.com/streamcrypt/streamcrypt/keys"
)

// unwrapAny fills d from the first recipient that one of keks unwraps. It waits
// for services that are away, but only when no other KEK unwraps the key.
// ErrUnknownKey means that none of them does; another error is of a KEK that
// cannot be used, and might have.
func (c *OpenKeys) unwrapAny(ctx context.Context, keks []keys.Unwrapper, recipients []keys.Wrapped, d *dek) error {
	all := newAttempts()
	all.addRecipients(keks, recipients, 0)
	return c.health.repeat(isAway).run(ctx, func() error {
		return all.tryPairs(ctx, func(p unwrapPair) error { return c.unwrapOnce(ctx, p, d) })
	})
}

// unwrapOnce asks one KEK once, and audits that it has unwrapped the key. d is
// filled if the error is nil.
func (c *OpenKeys) unwrapOnce(ctx context.Context, p unwrapPair, d *dek) error {
	ctx, requests := keys.CollectRequests(ctx)
	if err := c.askKEK(ctx, p, d); err != nil {
		return err
	}
	return c.noteUnwrapped(ctx, d, requests)
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
			d.kek = p.kek.Name()
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
