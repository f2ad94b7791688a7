package doctor

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/findings"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
)

// nearLimit is the share of a limit in percent from which on memory that does
// not belong to the route, such as the program itself, may not fit.
const nearLimit = 90

// CheckMemory compares the bound of a route's memory, in bytes, with the limit
// of the cgroup and with the machine.
func (h *Host) CheckMemory(bound int64) findings.Line {
	limit, of := memlimit.ReadCgroup(h.Root), "the cgroup allows"
	if own := h.readMemoryTotal(); own < limit {
		limit, of = own, "the machine has"
	}
	found := fmt.Sprintf("the route takes up to %d MiB", bound>>20)
	if limit == math.MaxInt64 {
		return h.line(Memory, findings.OK, found+", and no limit is known", "")
	}
	found = fmt.Sprintf("%s, %s %d MiB", found, of, limit>>20)
	remedy := fmt.Sprintf("allow %d MiB, or lower --workers, --budget or --read-ahead", (bound*100/nearLimit)>>20+1)
	switch {
	case bound > limit:
		return h.line(Memory, findings.Fail, found+": the system would end it (OOM)", remedy)
	case bound > limit/100*nearLimit:
		return h.line(Memory, findings.Warn, found+": there is little room beside it", remedy)
	}
	return h.line(Memory, findings.OK, found, "")
}

// readMemoryTotal returns the memory of the machine in bytes.
func (h *Host) readMemoryTotal() int64 {
	_, rest, found := strings.Cut(h.readText("proc/meminfo"), "MemTotal:")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return math.MaxInt64
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || kib <= 0 || kib > math.MaxInt64>>10 {
		return math.MaxInt64
	}
	return kib << 10
}
