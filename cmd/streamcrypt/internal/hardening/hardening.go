// Package hardening keeps the memory of this process to itself: it holds keys
// and plaintext. A crash leaves no core dump, no other process of the same user
// reads the memory, and where the limits allow it, none of it is swapped out.
// It works on Linux; elsewhere the functions say that they do nothing.
//
// The package must not know any key.
package hardening

import "fmt"

// SwapError says why memory may be swapped out.
type SwapError struct {
	Needed uint64 // bytes of locked memory that would be needed
	Limit  uint64 // RLIMIT_MEMLOCK
	Err    error  // of the system; nil if the limit is too low
}

func (e *SwapError) Error() string {
	if e.Err != nil {
		return "memory cannot be locked: " + e.Err.Error()
	}
	return fmt.Sprintf("memory cannot be locked: RLIMIT_MEMLOCK is %d MiB, and %d MiB would be needed",
		e.Limit>>20, e.Needed>>20)
}

func (e *SwapError) Unwrap() error { return e.Err }

// roomFor returns how much a process may have to lock at most that has size
// bytes of address space now and may use bound bytes of memory. The runtime
// reserves address space in steps of 64 MiB, all of which counts; a limit that
// is reached ends the process, so there is room for more.
func roomFor(size, bound uint64) uint64 {
	const spare = 1 << 30
	return size + 4*bound + spare
}
