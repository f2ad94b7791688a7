package kekcache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// load is one way to get a DEK that is under way.
type load struct {
	done       chan struct{}
	ctx        context.Context //nolint:containedctx // of the caller who leads, ended by Reload
	cancel     context.CancelFunc
	generation uint64
	keks       []keys.Unwrapper
}

// loader fills d by asking keks.
type loader func(ctx context.Context, keks []keys.Unwrapper, d *dek) error

// refusal is remembered for a while instead of asking KEKs or the store again.
type refusal struct {
	err     error
	expires time.Time
}

const (
	// refusedFor is how long it is remembered that recipients do not unwrap. They stay as they are.
	refusedFor = time.Minute
	// missingFor is how long it is remembered that the store has no usable record of a kid: short, for a record may yet come.
	missingFor = 5 * time.Second
)

func refusedAge(from source) time.Duration {
	if from.record {
		return missingFor
	}
	return refusedFor
}

// get finds the DEK in the cache or has it loaded, by one caller however many ask, and compares its commitment
// with want, of which the envelope may show only a prefix.
func (c *OpenKeys) get(ctx context.Context, from source, want []byte, ask loader) (*chunker.OpeningKey, error) {
	for {
		key, l, mine, err := c.lookUp(ctx, from, want)
		switch {
		case l == nil:
			return key, err
		case mine:
			key, again, err := c.lead(l, from, want, ask)
			if !again || ctx.Err() != nil {
				return key, err
			}
			continue
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// lookUp returns what is known, or else the load that is under way, or a new one that is the caller's to lead.
func (c *OpenKeys) lookUp(ctx context.Context, from source, want []byte) (key *chunker.OpeningKey, l *load, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if d, ok := c.find(from, now); ok {
		key, err = c.cipher(from, d, want)
		return key, nil, false, err
	}
	if r, ok := c.refusals.get(from); ok && now.Before(r.expires) {
		return nil, nil, false, r.err
	}
	if l = c.loads[from]; l != nil {
		return nil, l, false, nil
	}
	l = &load{done: make(chan struct{}), generation: c.generation.Load(), keks: c.unwrappers}
	l.ctx, l.cancel = context.WithCancel(ctx)
	c.loads[from] = l
	return nil, l, true, nil
}

// find looks into the cache, and drops what is over its age: the one asked for, and those used longest ago. So none
// stays for longer than twice its age while the cache is in use. The caller holds the lock.
func (c *OpenKeys) find(from source, now time.Time) (*dek, bool) {
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

// lead is the load for which the others wait. again says that a Reload made it void.
func (c *OpenKeys) lead(l *load, from source, want []byte, ask loader) (key *chunker.OpeningKey, again bool, err error) {
	defer c.land(from, l)
	d := &dek{}
	err = ask(l.ctx, l.keks, d)
	unwrapped := err == nil
	if unwrapped {
		err = d.verify(want)
	}
	err = c.refused(l.ctx, l.keks, want, d, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.generation.Load() != l.generation:
		clear(d.key[:])
		return nil, true, l.ctx.Err()
	case unwrapped: // also if it is another's than this envelope's, whose recipients someone may have copied
		d.expires = now.Add(c.o.MaxAge)
		c.deks.put(from, d)
		if err == nil {
			key, err = c.cipher(from, d, want)
		}
	case isRefusal(err):
		c.refusals.put(from, refusal{err: err, expires: now.Add(min(refusedAge(from), c.o.MaxAge))})
	}
	return key, false, err
}

func (c *OpenKeys) land(from source, l *load) {
	l.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	close(l.done)
	delete(c.loads, from)
}

// verify compares the commitment with what an envelope shows of its own; neither is secret.
func (d *dek) verify(want []byte) error {
	if string(d.commitment[:len(want)]) != string(want) {
		return fmt.Errorf("%w: %s unwraps another one", ErrWrongKey, d.kek)
	}
	return nil
}

// cipher returns d ready for use. The caller holds the lock.
func (c *OpenKeys) cipher(from source, d *dek, want []byte) (*chunker.OpeningKey, error) {
	if err := d.verify(want); err != nil {
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

func isRefusal(err error) bool { return errors.Is(err, ErrUnknownKey) || errors.Is(err, ErrWrongKey) }
