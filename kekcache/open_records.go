package kekcache

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/streamcrypt/streamcrypt/keys"
)

// recordAttempts are the ways to unwrap a DEK that the key records of a kid
// offer.
type recordAttempts struct {
	attempts *unwrapAttempts
	records  []candidate
	failed   error // the word if there are none
}

// attemptRecords finds the records that may be tried for an envelope that was
// created at this time. A commitment is compared with the kid before anything
// is unwrapped.
func (c *OpenKeys) attemptRecords(
	keks []keys.Unwrapper, records [][]byte, kid [KIDSize]byte, created uint32,
) *recordAttempts {
	filter := c.filterRecords(keks, splitKeyRecord(c.o.Codec, kid))
	filter.check = func(s *Sealed) (Validity, error) {
		valid, err := c.signers.check(s)
		if err == nil && !valid.Covers(created) {
			err = errOutOfTime
		}
		return valid, err
	}
	r := &recordAttempts{attempts: newAttempts()}
	if r.records, r.failed = filter.findCandidates(records); r.failed == nil {
		r.failed = ErrUnknownKey
	}
	for i := range r.records {
		r.attempts.addRecipients(keks, r.records[i].recipients, i)
	}
	return r
}

// filterRecords returns the filter for records that the KEKs may open.
func (c *OpenKeys) filterRecords(keks []keys.Unwrapper, split func([]byte) (Sealed, error)) *recordFilter {
	return &recordFilter{
		codec: c.o.Codec, split: split, check: c.signers.check,
		fits: func(recipients []keys.Wrapped, _ int) bool { return areFor(keks, recipients) },
	}
}

// openStored returns the DEK of a kid.
func (c *OpenKeys) openStored(
	ctx context.Context, place string, kid [KIDSize]byte, created uint32,
) (key *OpenedKey, err error) {
	var refused error
	look := func() (known bool) {
		key, known, refused = c.lookUpKID(kid, created)
		return known
	}
	if look() {
		return key, refused
	}
	if err := c.budgets.wait(ctx, place); err != nil {
		return nil, err
	}
	err = c.loads.doOnce(ctx, c.refusalOf(kid, created), look, func(ctx context.Context) (err error) {
		key, err = c.loadStored(ctx, place, kid, created)
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

func sourceOfKID(kid [KIDSize]byte) (s source) {
	s.of = ofKID
	copy(s.name[:], kid[:])
	return s
}

// refusalOf is the name under which it is remembered that a kid has no usable
// record. With signers that depends on when the message was created.
func (c *OpenKeys) refusalOf(kid [KIDSize]byte, created uint32) source {
	s := sourceOfKID(kid)
	if c.signers.areConfigured() {
		s.of = ofKIDAtTime
		binary.BigEndian.PutUint32(s.name[KIDSize:], created)
	}
	return s
}

// lookUpKID tells what the cache knows of a kid.
func (c *OpenKeys) lookUpKID(kid [KIDSize]byte, created uint32) (key *OpenedKey, known bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.findDEK(sourceOfKID(kid)); d != nil && d.valid.Covers(created) {
		key, err = c.makeKey(sourceOfKID(kid), d, d.valid)
		return key, true, err
	}
	err = c.findRefusal(c.refusalOf(kid, created))
	return nil, err != nil, err
}

// loadStored opens the first record of a kid that can be opened: of a file, or
// else of the store.
func (c *OpenKeys) loadStored(
	ctx context.Context, place string, kid [KIDSize]byte, created uint32,
) (*OpenedKey, error) {
	keks, generation := c.currentKEKs()
	var d dek
	defer clear(d.key[:])
	try := func(records [][]byte) error {
		r := c.attemptRecords(keks, records, kid, created)
		if len(r.records) == 0 {
			return r.failed
		}
		asked := len(r.attempts.pairs) > 0
		asking, requests := keys.CollectRequests(ctx)
		err := c.unwrapRecords(asking, place, r, &d, generation)
		if asked {
			err = c.noteRefused(ctx, keks, kid[:], &d, requests, err)
		}
		return err
	}
	kept := c.kept.find(kid)
	err := try(kept)
	if isRefusal(err) && c.o.Store != nil {
		records, failed := c.readRecords(ctx, kid)
		if failed != nil {
			return nil, failed
		}
		if failed = try(records); failed == nil || len(kept) == 0 || len(records) > 0 && !errors.Is(err, ErrWrongKey) {
			err = failed
		}
	}
	switch {
	case isRefusal(err):
		c.keepRefusal(c.refusalOf(kid, created), err, generation)
		return nil, err
	case err != nil:
		return nil, err
	}
	c.keepDEK(sourceOfKID(kid), &d, generation)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() != generation { // this flight is void
		return nil, errVoid
	}
	return c.makeKey(sourceOfKID(kid), &d, d.valid)
}

// unwrapRecords fills d from the first record with a commitment that verifies.
// It waits for services that are away, but only when no other KEK unwraps the
// key.
func (c *OpenKeys) unwrapRecords(
	ctx context.Context, place string, r *recordAttempts, d *dek, generation uint64,
) error {
	return c.health.repeat(isAway).run(ctx, func() error {
		return r.attempts.tryPairs(ctx, func(p unwrapPair) error {
			if err := c.unwrapPair(ctx, place, p, d, generation); err != nil {
				return err
			}
			record := &r.records[p.record]
			if err := d.verifyCommitment(record.sealed.Commitment); err != nil {
				clear(d.key[:])
				r.attempts.refuseRecord(p.record)
				return err
			}
			d.valid = record.valid
			return nil
		})
	})
}

// readRecords reads the store, again and again while it is away.
func (c *OpenKeys) readRecords(ctx context.Context, kid [KIDSize]byte) (records [][]byte, err error) {
	err = c.health.repeat(nil).run(ctx, func() (err error) {
		began := c.observed.beginCall()
		records, err = c.o.Store.Get(ctx, kid)
		c.observed.noteCall(ctx, callGet, "", began, err)
		c.health.noteAnswer(ctx, storeDependency, err)
		return err
	})
	return records, err
}
