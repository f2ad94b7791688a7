// Package memlimit adds up the memory that routes count as theirs: whether it
// fits the process's cgroup, and the limit that the garbage collector is given.
// It warns when the collector takes much time to keep that limit. It must not
// know the use of the memory.
package memlimit

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sync"
)

// TooSmallError says that more memory is needed than the cgroup allows.
type TooSmallError struct{ Need, Limit int64 } // bytes

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("needs up to %d MiB of memory, the cgroup allows %d MiB", (e.Need+1<<20-1)>>20, e.Limit>>20)
}

func formatMiB(n uint64) string { return fmt.Sprintf("%dMiB", n>>20) }

// ledger adds up the memory that has been reserved in this process.
var ledger struct {
	sync.Mutex
	reserved int64
	before   int64 // the limit while nothing was reserved
}

// Reserve counts n bytes until release is called, and sets the garbage
// collector's limit to the sum. If the user has set GOMEMLIMIT, it stays.
func Reserve(n int64) (release func()) {
	addReserved(n)
	return sync.OnceFunc(func() { addReserved(-n) })
}

func addReserved(n int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	ledger.Lock()
	defer ledger.Unlock()
	if ledger.reserved == 0 {
		ledger.before = debug.SetMemoryLimit(-1)
	}
	ledger.reserved += n
	if ledger.reserved == 0 {
		debug.SetMemoryLimit(ledger.before)
		return
	}
	debug.SetMemoryLimit(ledger.reserved)
}

// Check returns a *TooSmallError if need bytes do not fit this process's
// cgroup.
func Check(need int64) error {
	if limit := ReadCgroup(os.DirFS("/")); need > limit {
		return &TooSmallError{Need: need, Limit: limit}
	}
	return nil
}

// unlimited is the result of ReadCgroup where there is no limit.
const unlimited = math.MaxInt64
