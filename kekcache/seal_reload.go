package kekcache

import (
	"context"
	"slices"

	"github.com/streamcrypt/streamcrypt/keys"
)

// Reload has DEKs wrapped for other KEKs from now on, or for the same ones read anew. It makes a DEK for them in one try, and
// on an error everything stays as it was. Else that DEK is current when it returns, so that nobody waits for it, and the windows
// before it are closed: nothing more is sealed for a KEK that was removed. A Take that is under way may be the last to use the
// old one.
func (c *SealKeys) Reload(ctx context.Context, wrappers []keys.Wrapper) error {
	if err := checkWrappers(wrappers); err != nil {
		return err
	}
	c.reloading.Lock()
	defer c.reloading.Unlock()
	wrappers = slices.Clone(wrappers)
	key, err := c.generate(ctx, wrappers)
	if err != nil {
		return err
	}
	if err = c.replace(newWindow(key, &c.o), wrappers); err == nil {
		c.made(ctx, nil)
	}
	_ = c.trail.flush() // else it stays owed
	return err
}

func (c *SealKeys) replace(w *window, wrappers []keys.Wrapper) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.retire(w, whyEnd)
		return ErrClosed
	}
	c.wrappers = wrappers
	c.reloaded++
	c.drop(whyReload)
	c.enter(w)
	return nil
}
