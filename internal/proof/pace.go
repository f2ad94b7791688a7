package proof

import "context"

// window is how many records a side may have waiting before it waits for the
// other one.
const window = 1 << 15

// awaitTurn waits while a side is far ahead: more of its records wait for their
// counterpart than the window holds, and more than of the other side. At most
// one side waits at a time, so that the other one always goes on.
func (c *Comparer) awaitTurn(ctx context.Context, side int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.isAhead(side) {
		changed := c.changed
		c.sides[side].sleepers++
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		c.mu.Lock()
		c.sides[side].sleepers--
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (c *Comparer) isAhead(side int) bool {
	own, other := &c.sides[side], &c.sides[1-side]
	return !other.done && own.waiting > window && own.waiting > other.waiting
}

// wakeSleepers wakes a side that may go on.
func (c *Comparer) wakeSleepers() {
	for side := range c.sides {
		if c.sides[side].sleepers > 0 && !c.isAhead(side) {
			close(c.changed)
			c.changed = make(chan struct{})
			return
		}
	}
}

// EndPlain says that the plain side has been read to its end.
func (c *Comparer) EndPlain() { c.endSide(plainSide) }

// EndSealed says that the sealed side has been read to its end.
func (c *Comparer) EndSealed() { c.endSide(sealedSide) }

func (c *Comparer) endSide(side int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sides[side].done = true
	c.wakeSleepers()
}
