package kekcache

import (
	"context"
	"sync"
	"time"
)

// StreamKey returns leave to seal one stream of unknown length under a DEK of its own. The window does not
// apply; the caller keeps to the hard limits: 2^32 seals (2^31 with random nonces), one of which is the key
// record's, and 2^40 bytes, and calls Done at the end. It waits while no key can be had, until ctx ends.
func (c *SealKeys) StreamKey(ctx context.Context) (*Grant, error) {
	defer c.waiting()()
	for {
		before, err := c.reloads()
		if err != nil {
			return nil, err
		}
		key, err := c.generateUntil(ctx)
		if err != nil {
			c.probe()
			return nil, err
		}
		switch now, err := c.reloads(); {
		case err != nil:
			c.unused(key, whyEnd)
			return nil, err
		case now != before: // it may be for a KEK that was removed
			c.unused(key, whyReload)
			continue
		}
		return c.fresh(key)
	}
}

func (c *SealKeys) fresh(key *Key) (*Grant, error) {
	done := sync.OnceFunc(func() { c.unused(key, whyEnd) })
	sealer, err := key.sealing.Lease()
	if err != nil {
		done()
		return nil, err
	}
	return &Grant{Key: key, Sealer: sealer, Created: unix(time.Now()), done: done}, nil
}

// unused audits that nothing more is sealed under a key that is in no window.
func (c *SealKeys) unused(key *Key, why string) {
	c.trail.owe(key.event(OpWindowClosed, why))
	_ = c.trail.flush() // else it stays owed
}

// reloads is how many Reloads there were, or ErrClosed.
func (c *SealKeys) reloads() (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, ErrClosed
	}
	return c.reloaded, nil
}
