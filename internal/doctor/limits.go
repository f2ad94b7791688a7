package doctor

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// readLimit returns the soft limit of this process in a row of
// /proc/self/limits, such as "Max open files". It is false if that cannot be
// read.
func (h *Host) readLimit(row string) (uint64, bool) {
	for line := range strings.Lines(h.readText("proc/self/limits")) {
		rest, found := strings.CutPrefix(line, row)
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			continue
		}
		if fields[0] == "unlimited" {
			return math.MaxUint64, true
		}
		n, err := strconv.ParseUint(fields[0], 10, 64)
		return n, err == nil
	}
	return 0, false
}

// writeLimit writes a limit, in units of a number of bytes.
func writeLimit(n, unit uint64) string {
	if n == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(n/unit, 10)
}

// fewDescriptors is below the number of files and connections that a route of
// many brokers and partitions may have open.
const fewDescriptors = 1024

func (h *Host) checkDescriptors() findings.Line {
	n, ok := h.readLimit("Max open files")
	if !ok {
		return h.line(Descriptors, findings.Warn, "the limit on open files cannot be read",
			"mount /proc in the container")
	}
	found := writeLimit(n, 1) + " open files are allowed"
	if n < fewDescriptors {
		return h.line(Descriptors, findings.Warn, found+", and each broker takes several connections",
			fmt.Sprintf("LimitNOFILE=%d in the unit, or ulimit -n %[1]d", 8*fewDescriptors))
	}
	return h.line(Descriptors, findings.OK, found, "")
}

// hasSwap tells whether the machine has swap: also if that cannot be read.
func (h *Host) hasSwap() bool {
	list := h.readText("proc/swaps")
	return list == "" || strings.Contains(list, "\n")
}

// lockLeast is how much of locked memory a small route needs: the runtime
// reserves address space in large steps.
const lockLeast = 2 << 30

// ipcLock is the capability that lifts the limit on locked memory.
const ipcLock = 14

func (h *Host) checkMemoryLock() findings.Line {
	n, ok := h.readLimit("Max locked memory")
	found := writeLimit(n, 1<<20) + " MiB may be locked"
	switch {
	case n == math.MaxUint64 || h.hasCapability(ipcLock):
		return h.line(MemoryLock, findings.OK, "memory may be locked without a limit", "")
	case !h.hasSwap():
		return h.line(MemoryLock, findings.OK, "there is no swap, so memory need not be locked", "")
	case !ok:
		found = "the limit on locked memory cannot be read"
	case n >= lockLeast:
		return h.line(MemoryLock, findings.OK, found, "")
	}
	return h.line(MemoryLock, findings.Warn, found+": keys and plaintext may be written to swap",
		"LimitMEMLOCK=infinity in the unit, or a machine without swap")
}

// hasCapability reads the effective capabilities of this process.
func (h *Host) hasCapability(number int) bool {
	_, rest, found := strings.Cut(h.readText("proc/self/status"), "CapEff:")
	if !found {
		return false
	}
	word, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	caps, err := strconv.ParseUint(word, 16, 64)
	return err == nil && caps&(1<<number) != 0
}

func (h *Host) checkCoreDumps() findings.Line {
	n, ok := h.readLimit("Max core file size")
	pattern := h.readText("proc/sys/kernel/core_pattern")
	switch {
	case h.AllowCore:
		return h.line(CoreDumps, findings.Fail,
			"--allow-core lets a crash write keys and plaintext to a file, and debuggers read them",
			"leave out --allow-core and STREAMCRYPT_ALLOW_CORE")
	case ok && n == 0:
		return h.line(CoreDumps, findings.OK, "no core dumps are written", "")
	case strings.HasPrefix(pattern, "|"):
		// A pipe gets the dump with any limit, unless the process forbids
		// dumps, as a run does.
		return h.line(CoreDumps, findings.Warn,
			"core dumps of this machine are handed to a program; a run forbids its own, from its first moments on",
			"LimitCORE=0 in the unit")
	}
	return h.line(CoreDumps, findings.Warn,
		"core dumps are allowed here; a run forbids its own, from its first moments on", "LimitCORE=0 in the unit")
}

func (h *Host) checkSwap() findings.Line {
	if !h.hasSwap() {
		return h.line(Swap, findings.OK, "the machine has no swap", "")
	}
	group, ok := h.readOwnGroup("memory.swap.max")
	if ok && group == "0" {
		return h.line(Swap, findings.OK, "the machine has swap, and this cgroup may not use it", "")
	}
	return h.line(Swap, findings.Warn, "the machine has swap, and this process may use it",
		"MemorySwapMax=0 in the unit, or swapoff -a; memory that is locked is never swapped out")
}

// readOwnGroup returns a file of this process's cgroup, of version 2.
func (h *Host) readOwnGroup(file string) (string, bool) {
	for line := range strings.Lines(h.readText("proc/self/cgroup")) {
		if path, found := strings.CutPrefix(strings.TrimSpace(line), "0::/"); found {
			path = strings.Trim(path, "/")
			if path != "" {
				path += "/"
			}
			if text := h.readText("sys/fs/cgroup/" + path + file); text != "" {
				return text, true
			}
			text := h.readText("sys/fs/cgroup/" + file) // a container's own group
			return text, text != ""
		}
	}
	return "", false
}
