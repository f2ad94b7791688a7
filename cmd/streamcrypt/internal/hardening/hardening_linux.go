package hardening

import (
	"bufio"
	"bytes"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ForbidDumps keeps the system from writing the memory to a core dump, and
// other processes of the user from reading it. The files of the process under
// /proc belong to root from then on; the process itself still reads its own.
func ForbidDumps() error {
	none := &unix.Rlimit{}
	return errors.Join(unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0), unix.Setrlimit(unix.RLIMIT_CORE, none))
}

// LockMemory keeps all memory of the process, present and future, from being
// swapped out, as it comes into use. bound is how much it may use, in bytes. If
// the limit leaves too little room, nothing is changed and the error is a
// *SwapError. It returns nil where there is no swap.
func LockMemory(bound uint64) error {
	if !hasSwap() {
		return nil
	}
	return lockAll(bound)
}

// lockAll is LockMemory on a machine with swap.
func lockAll(bound uint64) error {
	if err := checkRoom(bound); err != nil {
		return err
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return &SwapError{Err: err}
	}
	return nil
}

// hasSwap tells whether the machine may have swap: also if that cannot be
// read.
func hasSwap() bool {
	list, err := os.ReadFile("/proc/swaps")
	return err != nil || bytes.Count(list, []byte("\n")) > 1
}

// checkRoom tells whether the limit has room for the whole address space.
func checkRoom(bound uint64) error {
	if mayLockAll() {
		return nil
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return &SwapError{Err: err}
	}
	size, err := readStatus("VmSize")
	if err != nil {
		return &SwapError{Err: err}
	}
	if needed := roomFor(size<<10, bound); limit.Cur < needed && limit.Cur != math.MaxUint64 {
		return &SwapError{Needed: needed, Limit: limit.Cur}
	}
	return nil
}

// mayLockAll tells whether the process has the capability for which the limit
// does not hold.
func mayLockAll() bool {
	caps := [2]unix.CapUserData{}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capget(&header, &caps[0]) == nil && caps[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}

// readStatus reads a number of /proc/self/status, in KiB.
func readStatus(name string) (uint64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+":"); found {
			return strconv.ParseUint(strings.Fields(value)[0], 10, 64)
		}
	}
	return 0, errors.New("/proc/self/status has no " + name)
}
