package kekcache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// dek is an unwrapped DEK.
type dek struct {
	key        [chunker.KeySize]byte
	commitment [chunker.CommitmentSize]byte
	expires    time.Time
	kek        string // the name of the KEK that unwrapped it
}

// verifyCommitment compares the commitment with the one that an envelope shows;
// neither is secret.
func (d *dek) verifyCommitment(want []byte) error {
	if string(d.commitment[:len(want)]) != string(want) {
		return fmt.Errorf("%w: %s unwraps another one", ErrWrongKey, d.kek)
	}
	return nil
}

// loader fills d by asking keks.
type loader func(ctx context.Context, keks []keys.Unwrapper, d *dek) error

// refusal is remembered for a while instead of asking KEKs or the store again.
type refusal struct {
	err     error
	expires time.Time
}

const (
	// refusedFor is how long it is remembered that recipients do not unwrap.
	// They stay as they are.
	refusedFor = time.Minute
	// missingFor is how long it is remembered that the store has no usable
	// record of a kid: short, for a record may yet come.
	missingFor = 5 * time.Second
)

func refusedAge(from source) time.Duration {
	if from.record {
		return missingFor
	}
	return refusedFor
}

func isRefusal(err error) bool { return errors.Is(err, ErrUnknownKey) || errors.Is(err, ErrWrongKey) }

// getKey finds the DEK in the cache or has it loaded, and compares its
// commitment with want, of which the envelope may show only a prefix.
func (c *OpenKeys) getKey(ctx context.Context, from source, want []byte, ask loader) (*chunker.OpeningKey, error) {
	if key, known, err := c.lookUp(from, want); known {
		return key, err
	}
	return c.awaitKey(ctx, from, want, ask)
}

// awaitKey has the DEK loaded, by one caller however many ask.
func (c *OpenKeys) awaitKey(ctx context.Context, from source, want []byte, ask loader) (*chunker.OpeningKey, error) {
	var key *chunker.OpeningKey
	var refused error
	err := c.loads.doOnce(ctx, from, func() (known bool) {
		key, known, refused = c.lookUp(from, want)
		return known
	}, func(ctx context.Context) (err error) {
		key, err = c.loadKey(ctx, from, want, ask)
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

// lookUp returns the key that is kept, or the refusal that is remembered.
func (c *OpenKeys) lookUp(from source, want []byte) (key *chunker.OpeningKey, known bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if d, ok := c.findFresh(from, now); ok {
		key, err = c.cipherFor(from, d, want)
		return key, true, err
	}
	if r, ok := c.refusals.get(from); ok && now.Before(r.expires) {
		return nil, true, r.err
	}
	return nil, false, nil
}

// findFresh looks into the cache. It drops DEKs that are over their age: the
// one asked for, and those used longest ago. So none stays for longer than
// twice its age while the cache is in use. The caller holds c.mu.
func (c *OpenKeys) findFresh(from source, now time.Time) (*dek, bool) {
	d, ok := c.deks.get(from)
	if ok && !now.Before(d.expires) {
		c.deks.drop(from)
		ok = false
	}
	for {
		key, old, some := c.deks.oldest()
		if !some || now.Before(old.expires) {
			return d, ok
		}
		c.deks.drop(key)
	}
}

// cipherFor returns d ready for use. The caller holds c.mu.
func (c *OpenKeys) cipherFor(from source, d *dek, want []byte) (*chunker.OpeningKey, error) {
	if err := d.verifyCommitment(want); err != nil {
		return nil, err
	}
	if k, ok := c.ciphers.get(from); ok {
		return k, nil
	}
	k, err := chunker.NewOpeningKey(&d.key)
	if err != nil {
		return nil, err
	}
	c.ciphers.put(from, k)
	return k, nil
}

// loadKey asks the KEKs for a DEK and keeps it, or remembers that it was
// refused. A Reload meanwhile voids both.
func (c *OpenKeys) loadKey(
	ctx context.Context, from source, want []byte, ask loader,
) (key *chunker.OpeningKey, err error) {
	keks, generation := c.currentKEKs()
	d := &dek{}
	asking, requests := keys.CollectRequests(ctx)
	err = ask(asking, keks, d)
	unwrapped := err == nil
	if unwrapped {
		err = d.verifyCommitment(want)
	}
	err = c.noteRefused(ctx, keks, want, d, requests, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.generation.Load() != generation: // this flight is void
		clear(d.key[:])
		return nil, ctx.Err()
	case unwrapped: // also if it is another DEK than this envelope's: somebody may have copied the recipients
		d.expires = now.Add(c.o.MaxAge)
		c.deks.put(from, d)
		if err == nil {
			key, err = c.cipherFor(from, d, want)
		}
	case isRefusal(err):
		c.refusals.put(from, refusal{err: err, expires: now.Add(min(refusedAge(from), c.o.MaxAge))})
	}
	return key, err
}
