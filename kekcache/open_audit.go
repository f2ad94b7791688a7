package kekcache

import (
	"context"
	"errors"
	"slices"

	"github.com/streamcrypt/streamcrypt/keys"
)

// noteUnwrapped audits that d was unwrapped. While that cannot be done it
// waits, and d is not used.
func (c *OpenKeys) noteUnwrapped(ctx context.Context, d *dek, requests *keys.Requests) error {
	e := Event{Op: OpUnwrapped, KEKs: []string{d.kek}, KID: d.commitment[:KIDSize], Requests: requests.IDs()}
	if err := c.recordEvent(ctx, e); err != nil {
		clear(d.key[:])
		return err
	}
	return nil
}

// noteRefused audits err if it is a refusal, and returns it. The kid of the
// DEK is the first bytes of claimed. requests are the calls that were made.
func (c *OpenKeys) noteRefused(
	ctx context.Context, keks []keys.Unwrapper, claimed []byte, d *dek, requests *keys.Requests, err error,
) error {
	e := Event{Op: OpUnwrapRefused, KID: claimed[:min(KIDSize, len(claimed))], Requests: requests.IDs()}
	switch {
	case errors.Is(err, ErrWrongKey):
		e.KEKs, e.Why = []string{d.kek}, ErrWrongKey.Error()
	case errors.Is(err, ErrUnknownKey):
		e.KEKs, e.Why = namesOf(keks), ErrUnknownKey.Error()
	default:
		return err
	}
	if cannot := c.recordEvent(ctx, e); cannot != nil {
		return cannot
	}
	return err
}

// recordEvent audits e, trying again until it is kept or ctx ends.
func (c *OpenKeys) recordEvent(ctx context.Context, e Event) error {
	if c.o.Audit != nil {
		e.KID = slices.Clone(e.KID)
		err := c.health.repeat(nil).run(ctx, func() error {
			err := c.o.Audit.Record(e)
			if err != nil {
				err = &auditError{err}
			}
			c.health.noteAnswer(ctx, auditDependency, err)
			return err
		})
		if err != nil {
			return err
		}
	}
	c.observed.noteEvent(e.Op, e.KEKs, e.Why)
	return nil
}
