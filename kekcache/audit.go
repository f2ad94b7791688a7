package kekcache

import (
	"context"
	"errors"
	"slices"

	"github.com/streamcrypt/streamcrypt/keys"
)

// Op is what an Event tells of.
type Op string

// The key operations that are audited.
const (
	OpWindowOpened  Op = "window-opened"  // a new DEK is current
	OpWindowClosed  Op = "window-closed"  // nothing more is sealed under a DEK; Why: age, messages, bytes, seals, reload, end
	OpUnwrapped     Op = "unwrapped"      // a KEK unwrapped a DEK
	OpUnwrapRefused Op = "unwrap-refused" // no configured KEK unwraps it, or the wrong key came out; Why says which
	OpRewrapped     Op = "rewrapped"      // a DEK's recipients were replaced
	OpState         Op = "state"          // sealing went to another State; Why is its cause
)

// Event is one key operation. It holds names only: nothing of a message, no key byte, wrapped or not.
type Event struct {
	Op    Op
	KEKs  []string // the names of the KEKs concerned
	KID   []byte   // of the DEK, KIDSize bytes; nil where none is concerned or known
	State State    // OpState only
	Why   string   // may be empty
}

// Auditor keeps a record of key operations.
type Auditor interface {
	// Record returns when the event is kept. After an error no further window is opened and no DEK unwrapped: what
	// cannot be recorded is not done.
	Record(Event) error
}

// noteUnwrapped audits that d was unwrapped. While that cannot be done it waits,
// and d is not used.
func (c *OpenKeys) noteUnwrapped(ctx context.Context, d *dek) error {
	e := Event{Op: OpUnwrapped, KEKs: []string{d.kek}, KID: d.commitment[:KIDSize]}
	if err := c.record(ctx, e); err != nil {
		clear(d.key[:])
		return err
	}
	c.observed.noteEvent(e.Op, e.KEKs, "")
	return nil
}

// noteRefused audits err if it is a refusal, of the DEK whose kid claimed begins
// with, and returns it.
func (c *OpenKeys) noteRefused(ctx context.Context, keks []keys.Unwrapper, claimed []byte, d *dek, err error) error {
	e := Event{Op: OpUnwrapRefused, KID: claimed[:min(KIDSize, len(claimed))]}
	switch {
	case errors.Is(err, ErrWrongKey):
		e.KEKs, e.Why = []string{d.kek}, ErrWrongKey.Error()
	case errors.Is(err, ErrUnknownKey):
		e.KEKs, e.Why = namesOf(keks), ErrUnknownKey.Error()
	default:
		return err
	}
	if cannot := c.record(ctx, e); cannot != nil {
		return cannot
	}
	c.observed.noteEvent(e.Op, e.KEKs, e.Why)
	return err
}

// record audits e, trying again until it is kept or ctx ends.
func (c *OpenKeys) record(ctx context.Context, e Event) error {
	if c.o.Audit == nil {
		return nil
	}
	e.KID = slices.Clone(e.KID)
	return c.health.repeat(nil).run(ctx, func() error {
		err := c.o.Audit.Record(e)
		if err != nil {
			err = &auditError{err}
		}
		c.health.noteAnswer(ctx, auditDependency, err)
		return err
	})
}
