package kekcache

import (
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/secret"
	"github.com/streamcrypt/streamcrypt/keys"
)

// unwrapAny fills d from the first recipient that one of keks unwraps. It waits for services that are away, but
// only when no other KEK does it. ErrUnknownKey means that none can; a KEK that cannot be used might have.
func (c *OpenKeys) unwrapAny(ctx context.Context, keks []keys.Unwrapper, recipients []keys.Wrapped, d *dek) error {
	all := newTries(attempts(keks, recipients))
	return c.health.repeat(isAway).run(ctx, func() error { return c.unwrapOnce(ctx, &all, d) })
}

func (c *OpenKeys) unwrapOnce(ctx context.Context, all *tries, d *dek) error {
	if err := all.once(ctx, func(a attempt) error { return c.unwrap(ctx, a, d) }); err != nil {
		return err
	}
	return c.unwrapped(ctx, d)
}

// unwrap asks one KEK once. d is filled if the error is nil, and else left as it was.
func (c *OpenKeys) unwrap(ctx context.Context, a attempt, d *dek) (err error) {
	secret.Do(func() {
		var b []byte
		b, err = a.kek.Unwrap(ctx, c.o.Context, nil, a.wrapped)
		defer clear(b)
		switch {
		case err != nil:
		case len(b) != chunker.KeySize:
			cause := fmt.Errorf("a key of %d bytes", len(b))
			err = &keys.Error{Class: keys.BadWrap, Key: a.kek.Name(), Op: "unwrap", Err: cause}
		default:
			d.key = [chunker.KeySize]byte(b)
			d.commitment = chunker.Commitment(&d.key)
			d.kek = a.kek.Name()
		}
	})
	c.health.answered(ctx, aKEK(a.kek.Name()), err)
	return err
}
