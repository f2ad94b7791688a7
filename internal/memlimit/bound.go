package memlimit

import (
	"fmt"
	"sync"
)

// Bound is how much memory several routes may take together. A nil *Bound is
// that of the process's cgroup, for each route by itself. It is safe for
// concurrent use.
type Bound struct {
	limit int64

	mu    sync.Mutex
	taken int64
}

// NewBound returns a Bound of limit bytes, or a *TooSmallError if the cgroup
// has less.
func NewBound(limit int64) (*Bound, error) {
	if err := Check(limit); err != nil {
		return nil, err
	}
	return &Bound{limit: limit}, nil
}

// FullError says that a route does not fit beside the others.
type FullError struct{ Need, Left int64 } // bytes

func (e *FullError) Error() string {
	return fmt.Sprintf("needs up to %d MiB of memory, and %d MiB are left of the bound of all routes",
		(e.Need+1<<20-1)>>20, e.Left>>20)
}

// Claim is a part of a Bound, which grows until Release.
type Claim struct {
	bound *Bound
	n     int64
}

// NewClaim returns a part of b that is empty.
func (b *Bound) NewClaim() *Claim { return &Claim{bound: b} }

// RaiseTo makes the claim n bytes in all, or leaves it as it is and returns a
// *FullError, or a *TooSmallError where the process's cgroup is the bound.
func (c *Claim) RaiseTo(n int64) error {
	if c.bound == nil {
		return Check(n)
	}
	c.bound.mu.Lock()
	defer c.bound.mu.Unlock()
	if left := c.bound.limit - c.bound.taken + c.n; n > left {
		return &FullError{Need: n, Left: left}
	}
	c.bound.taken += n - c.n
	c.n = n
	return nil
}

// Release gives the claim back. Further calls do nothing.
func (c *Claim) Release() {
	if c.bound == nil {
		return
	}
	c.bound.mu.Lock()
	defer c.bound.mu.Unlock()
	c.bound.taken -= c.n
	c.n = 0
}
