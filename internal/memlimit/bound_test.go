package memlimit

import (
	"errors"
	"testing"
)

// TestBound: claims grow until the bound is reached, and what is given back can
// be taken again.
func TestBound(t *testing.T) {
	bound, err := NewBound(100)
	if err != nil {
		t.Fatal(err)
	}
	a, b := bound.NewClaim(), bound.NewClaim()
	raise := func(c *Claim, n, left int64) { // left < 0: it has room
		t.Helper()
		full, isFull := errors.AsType[*FullError](c.RaiseTo(n))
		if isFull != (left >= 0) || isFull && (full.Need != n || full.Left != left) {
			t.Errorf("raised to %d: %+v", n, full)
		}
	}
	raise(a, 60, -1)
	raise(b, 41, 40)
	raise(b, 40, -1)
	raise(a, 61, 60)
	raise(a, 60, -1)
	a.Release()
	a.Release()
	raise(b, 101, 100)
	raise(b, 100, -1)
	raise(a, 1, 0)
}

// TestNoBound: without a bound each claim is bounded by the process alone.
func TestNoBound(t *testing.T) {
	var none *Bound
	c := none.NewClaim()
	if err := c.RaiseTo(1); err != nil {
		t.Error(err)
	}
	c.Release()
}
