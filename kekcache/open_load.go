package kekcache

import (
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
)

// dek is an unwrapped DEK.
type dek struct {
	key        [chunker.KeySize]byte
	commitment [chunker.CommitmentSize]byte
	expires    time.Duration // by OpenKeys.clock
	kek        string        // the name of the KEK that unwrapped it
	vouched    bool
	valid      Validity // of a kid: that of the key record
}

// verifyCommitment compares the commitment with the one that an envelope shows;
// neither is secret. A nil one is that of a format without commitments.
func (d *dek) verifyCommitment(want []byte) error {
	if want != nil && string(d.commitment[:]) != string(want) {
		return fmt.Errorf("%w: %s unwraps another one", ErrWrongKey, d.kek)
	}
	return nil
}

// refusal is remembered for a while instead of asking KEKs or the store again.
type refusal struct {
	err     error
	expires time.Duration
}

const (
	// refusedFor is how long it is remembered that a wrapped key does not
	// unwrap. It stays as it is.
	refusedFor = time.Minute
	// missingFor is how long it is remembered that the store has no usable
	// record of a kid: short, for a record may yet come.
	missingFor = 5 * time.Second
)

func refusedAge(of byte) time.Duration {
	if of == ofKID || of == ofKIDAtTime || of == ofHint {
		return missingFor
	}
	return refusedFor
}

func isRefusal(err error) bool {
	return errors.Is(err, ErrUnknownKey) || errors.Is(err, ErrWrongKey) || errors.Is(err, ErrUntrusted)
}

// findDEK looks into the cache. It drops DEKs that are over their age: the one
// asked for, and those used longest ago. So none stays for longer than twice
// its age while the cache is in use. The caller holds c.mu.
func (c *OpenKeys) findDEK(from source) *dek {
	age := c.clock.look().age
	d, ok := c.deks.get(from)
	if ok && age >= d.expires {
		c.deks.drop(from)
		d = nil
	}
	for {
		key, old, some := c.deks.oldest()
		if !some || age < old.expires {
			return d
		}
		c.deks.drop(key)
	}
}

// findRefusal returns the refusal that is remembered, or nil. The caller holds
// c.mu.
func (c *OpenKeys) findRefusal(from source) error {
	if r, ok := c.refusals.get(from); ok && c.clock.look().age < r.expires {
		return r.err
	}
	return nil
}

// keepRefusal remembers a refusal, unless there was a Reload since generation.
func (c *OpenKeys) keepRefusal(from source, err error, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() != generation {
		return
	}
	lasts := min(refusedAge(from.of), c.o.MaxAge)
	c.refusals.put(from, refusal{err: err, expires: c.clock.look().age + lasts})
}

// keepDEK puts a copy of d into the cache, unless there was a Reload since
// generation.
func (c *OpenKeys) keepDEK(from source, d *dek, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() != generation {
		return
	}
	kept := *d
	c.deks.put(from, &kept)
}

// makeKey makes d ready for use. The caller holds c.mu.
func (c *OpenKeys) makeKey(from source, d *dek, valid Validity) (*OpenedKey, error) {
	k, ok := c.ciphers.get(from)
	if !ok {
		var err error
		if k, err = chunker.NewOpeningKey(&d.key); err != nil {
			return nil, err
		}
		c.ciphers.put(from, k)
	}
	return &OpenedKey{
		OpeningKey: k, Vouched: d.vouched || valid.vouched, valid: valid,
		expires: d.expires, generation: c.generation.Load(),
	}, nil
}
