package doctor

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// clock is a clock that moves on by step whenever it is asked.
func clock(step time.Duration) func() time.Time {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(step)
		return now
	}
}

// files returns a file system of names and contents.
func files(pairs ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

const (
	limitsHead = "Limit                     Soft Limit           Hard Limit           Units     \n"
	goodLimits = limitsHead +
		"Max core file size        0                    unlimited            bytes     \n" +
		"Max open files            20000                20000                files     \n" +
		"Max locked memory         unlimited            unlimited            bytes     \n"
	badLimits = limitsHead +
		"Max core file size        unlimited            unlimited            bytes     \n" +
		"Max open files            256                  4096                 files     \n" +
		"Max locked memory         8388608              8388608              bytes     \n"
	noSwap   = "Filename\tType\tSize\tUsed\tPriority\n"
	withSwap = noSwap + "/dev/sda2 partition 1048576 0 -2\n"
	gcm      = "name         : gcm(aes)\ndriver       : generic-gcm-aesni\npriority     : 400\n"
	device   = gcm + "\nname         : gcm(aes)\ndriver       : rfc4106-qat\npriority     : 4001\n"
)

// newTestHost returns a machine without a fault.
func newTestHost() *Host {
	return &Host{
		Root: files(
			"proc/cpuinfo", "processor : 0\nflags : fpu aes pclmulqdq avx\n",
			"proc/self/limits", goodLimits, "proc/swaps", noSwap, "proc/self/status", "CapEff:\t0000000000000000\n",
			"proc/sys/kernel/random/entropy_avail", "256\n", "proc/sys/kernel/core_pattern", "core\n",
			"proc/crypto", gcm, "proc/meminfo", "MemTotal:  8388608 kB\n", "proc/self/cgroup", "0::/\n"),
		Now: clock(200 * time.Microsecond), DrawRandom: func([]byte) error { return nil }, System: "linux",
	}
}

// put changes files of a host.
func (h *Host) put(pairs ...string) {
	root := h.Root.(fstest.MapFS)
	for name, file := range files(pairs...) {
		root[name] = file
	}
}

func TestHealthyHost(t *testing.T) {
	for _, line := range newTestHost().CheckHost() {
		if line.Level != findings.OK || line.Remedy != "" || line.Found == "" || !slices.Contains(Names(), line.Check) {
			t.Errorf("%+v", line)
		}
	}
}

// TestEachHostLineFails: each line of the machine is not ok where it should not
// be, says what to do, and leaves the others alone.
func TestEachHostLineFails(t *testing.T) {
	tests := []struct {
		name, check string
		level       findings.Level
		change      func(h *Host)
		found       string
	}{
		{"no instructions", AES, findings.Warn, func(h *Host) { h.put("proc/cpuinfo", "flags : fpu aes_not avx\n") }, "no instructions"},
		{"arm without pmull", AES, findings.Warn, func(h *Host) { h.put("proc/cpuinfo", "Features : fp asimd aes\n") }, "no instructions"},
		{"slow", AESSpeed, findings.Warn, func(h *Host) { h.Now = clock(time.Millisecond) }, "0.07 GB/s"},
		{"not seeded", Entropy, findings.Fail, func(h *Host) { h.DrawRandom = func([]byte) error { return errors.New("would wait") } }, "would wait"},
		{"few bits", Entropy, findings.Warn, func(h *Host) { h.put("proc/sys/kernel/random/entropy_avail", "12\n") }, "12 bits"},
		{"machine in FIPS mode", FIPS, findings.Warn, func(h *Host) { h.put("proc/sys/crypto/fips_enabled", "1\n") }, "this program is not"},
		{"kernel refuses", AFALG, findings.Fail, func(h *Host) {
			h.KernelEngine, h.TryKernel = true, func() error { return errors.New("no such family") }
		}, "no such family"},
		{"kernel without a device", AFALG, findings.Warn, func(h *Host) {
			h.KernelEngine, h.TryKernel = true, func() error { return nil }
		}, "generic-gcm-aesni"},
		{"few descriptors", Descriptors, findings.Warn, func(h *Host) { h.put("proc/self/limits", strings.Replace(goodLimits, "20000", "256  ", 1)) }, "256 open files"},
		{"descriptors unknown", Descriptors, findings.Warn, func(h *Host) {
			h.put("proc/self/limits", strings.Replace(goodLimits, "Max open files", "Max odd files ", 1))
		}, "cannot be read"},
		{"little to lock", MemoryLock, findings.Warn, func(h *Host) {
			h.put("proc/self/limits", strings.Replace(goodLimits, "memory         unlimited", "memory         8388608  ", 1),
				"proc/swaps", withSwap, "proc/self/cgroup", "0::/unit\n", "sys/fs/cgroup/unit/memory.swap.max", "0\n")
		}, "8 MiB may be locked"},
		{"dumps allowed", CoreDumps, findings.Warn, func(h *Host) {
			h.put("proc/self/limits", strings.Replace(goodLimits, "size        0   ", "size        1024", 1))
		}, "core dumps are allowed"},
		{"dumps to a program", CoreDumps, findings.Warn, func(h *Host) {
			h.put("proc/self/limits", strings.Replace(goodLimits, "size        0   ", "size        1024", 1),
				"proc/sys/kernel/core_pattern", "|/usr/share/apport %p\n")
		}, "handed to a program"},
		{"allow-core", CoreDumps, findings.Fail, func(h *Host) { h.AllowCore = true }, "--allow-core"},
		{"swap", Swap, findings.Warn, func(h *Host) { h.put("proc/swaps", withSwap) }, "the machine has swap"},
	}
	seen := map[string]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newTestHost()
			test.change(h)
			for _, line := range h.CheckHost() {
				switch {
				case line.Check != test.check && line.Level != findings.OK:
					t.Errorf("another line: %+v", line)
				case line.Check == test.check && (line.Level != test.level || !strings.Contains(line.Found, test.found) || line.Remedy == ""):
					t.Errorf("%+v", line)
				}
			}
			seen[test.check] = true
		})
	}
	for _, line := range newTestHost().CheckHost() {
		if !seen[line.Check] {
			t.Errorf("%s never fails", line.Check)
		}
	}
}

// TestLimitsTogether: everything is wrong at once.
func TestLimitsTogether(t *testing.T) {
	h := newTestHost()
	h.put("proc/self/limits", badLimits, "proc/swaps", withSwap)
	bad := 0
	for _, line := range h.CheckHost() {
		if line.Level != findings.OK {
			bad++
		}
	}
	if bad != 4 {
		t.Errorf("%d lines", bad)
	}
}

func TestLockingIsNotNeeded(t *testing.T) {
	few := strings.Replace(goodLimits, "memory         unlimited", "memory         8388608  ", 1)
	h := newTestHost()
	h.put("proc/self/limits", few)
	if line := h.checkMemoryLock(); line.Level != findings.OK {
		t.Errorf("without swap: %+v", line)
	}
	h.put("proc/swaps", withSwap, "proc/self/status", "Name:\tx\nCapEff:\t0000000000004000\nSeccomp:\t0\n")
	if line := h.checkMemoryLock(); line.Level != findings.OK {
		t.Errorf("with the capability: %+v", line)
	}
}

// TestMemory compares a bound with cgroups of both versions, and with the
// machine.
func TestMemory(t *testing.T) {
	const gib = 1 << 30
	tests := []struct {
		name  string
		files []string
		bound int64
		level findings.Level
		found string
	}{
		{"fits", nil, gib, findings.OK, "the machine has 8192 MiB"},
		{"more than the machine", nil, 9 * gib, findings.Fail, "(OOM)"},
		{"version 2", []string{"proc/self/cgroup", "0::/a/b\n", "sys/fs/cgroup/a/memory.max", "1073741824\n"}, 2 * gib, findings.Fail, "the cgroup allows 1024 MiB"},
		{"version 2, near", []string{"sys/fs/cgroup/memory.max", "1073741824\n"}, gib - 1<<20, findings.Warn, "little room"},
		{"version 1", []string{"proc/self/cgroup", "4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes", "536870912\n"}, gib, findings.Fail, "the cgroup allows 512 MiB"},
		{"no limit is known", []string{"proc/meminfo", ""}, gib, findings.OK, "no limit is known"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newTestHost()
			h.put(test.files...)
			line := h.CheckMemory(test.bound)
			if line.Level != test.level || !strings.Contains(line.Found, test.found) || (line.Level != findings.OK) != (line.Remedy != "") {
				t.Errorf("%+v", line)
			}
		})
	}
}

func TestKernelDevice(t *testing.T) {
	h := newTestHost()
	h.put("proc/crypto", device)
	if line := h.checkKernelEngine(); line.Level != findings.OK || !strings.Contains(line.Found, "worth a measurement") {
		t.Errorf("%+v", line)
	}
	h.KernelEngine, h.TryKernel = true, func() error { return nil }
	if line := h.checkKernelEngine(); line.Level != findings.OK || !strings.Contains(line.Found, "qat") {
		t.Errorf("%+v", line)
	}
}

// TestOtherSystems: where there is no /proc, the lines that need it do not
// complain.
func TestOtherSystems(t *testing.T) {
	h := newTestHost()
	h.System, h.Root = "darwin", fstest.MapFS{}
	for _, line := range h.CheckHost() {
		if line.Level != findings.OK {
			t.Errorf("%+v", line)
		}
	}
}

// TestThisHost: the checks of this machine come to an end and have words.
func TestThisHost(t *testing.T) {
	h := NewHost(nil)
	for _, line := range append(h.CheckHost(), h.CheckMemory(1<<20)) {
		if line.Found == "" || (line.Level != findings.OK) != (line.Remedy != "") {
			t.Errorf("%+v", line)
		}
	}
	if _, err := os.Stat("/proc/self/limits"); err == nil && h.readText("proc/self/limits") == "" {
		t.Error("limits are there and were not read")
	}
}
