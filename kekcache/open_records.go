package kekcache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/keys"
)

// maxTries is how many key records of a kid are tried: anyone who can write to
// the store adds to their number. One that no KEK fits is no try: a DEK that
// was rewrapped often has many of them.
const maxTries = 16

var errOtherKID = fmt.Errorf("%w: a key record of another kid", ErrWrongKey)

// recordAttempts are the ways to unwrap a DEK that the key records of a kid
// offer.
type recordAttempts struct {
	attempts *unwrapAttempts
	records  []recordAttempt // those that may be tried
	failed   error           // the word if none of them is
}

type recordAttempt struct {
	commitment []byte
	valid      Validity
}

// attemptRecords finds the records that may be tried, in their order, and
// passes over the others (docs/envelope.md, section 8). A commitment is
// compared with the kid before anything is unwrapped.
func (c *OpenKeys) attemptRecords(
	keks []keys.Unwrapper, records [][]byte, kid [KIDSize]byte, created uint32,
) *recordAttempts {
	r := &recordAttempts{attempts: newAttempts(), failed: ErrUnknownKey}
	isUnfit := false
	for _, record := range records {
		s, err := c.o.Codec.SplitRecord(record)
		if err != nil || string(s.Commitment[:KIDSize]) != string(kid[:]) {
			continue
		}
		valid, err := c.signers.check(&s)
		if err == nil && !valid.Covers(created) {
			err = errOutOfTime
		}
		if err != nil {
			r.failed = err
			continue
		}
		recipients, _, err := c.o.Codec.ParseRecipients(s.Recipients)
		if err != nil {
			continue
		}
		before := len(r.attempts.pairs)
		r.attempts.addRecipients(keks, recipients, len(r.records))
		if len(r.attempts.pairs) == before {
			isUnfit = true
			continue
		}
		r.records = append(r.records, recordAttempt{s.Commitment, valid})
		if len(r.records) == maxTries {
			break
		}
	}
	if isUnfit { // it promises more than one that nobody vouches for
		r.failed = ErrUnknownKey
	}
	return r
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
			if err := d.verifyCommitment(record.commitment); err != nil {
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
