package hardening

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside names the environment variable that has a test run in a process of its
// own, which it may change for good.
const inside = "TEST_STREAMCRYPT_HARDENING"

// runInside runs this test again in a process of its own, as another user if
// this one is root, and returns what it prints.
func runInside(t *testing.T, limits ...func(*exec.Cmd)) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if os.Getuid() == 0 { // the folders of tests are closed to others
		dir, err = os.MkdirTemp("/tmp", "hardening-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		content, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		binary = filepath.Join(dir, "test")
		if err := errors.Join(os.WriteFile(binary, content, 0o755), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "-test.run=^"+t.Name()+"$")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), inside+"=1")
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	for _, limit := range limits {
		limit(cmd)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestForbidDumps: nothing of the process can be dumped or read by others of
// the same user, and everything that the program needs of /proc still works:
// its cgroup, its status, and files without a name that are given one.
func TestForbidDumps(t *testing.T) {
	if os.Getenv(inside) == "" {
		runInside(t)
		return
	}
	if err := ForbidDumps(); err != nil {
		t.Fatal(err)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 0 {
		t.Errorf("dumpable %d, %v", dumpable, err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core.Cur != 0 || core.Max != 0 {
		t.Errorf("core limit %+v, %v", core, err)
	}
	var mem unix.Stat_t
	if err := unix.Stat("/proc/self/mem", &mem); err != nil || mem.Uid != 0 {
		t.Errorf("memory belongs to %d, %v", mem.Uid, err)
	}
	for _, name := range []string{"cgroup", "mountinfo", "status", "maps", "limits"} {
		if _, err := os.ReadFile("/proc/self/" + name); err != nil {
			t.Error(err)
		}
	}
	if _, err := readStatus("VmSize"); err != nil {
		t.Error(err)
	}
	f, err := os.OpenFile(".", os.O_RDWR|unix.O_TMPFILE, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return // this file system has no such files, so the program makes none
	}
	if err != nil {
		t.Fatal(err)
	}
	self := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, "named", unix.AT_SYMLINK_FOLLOW); err != nil {
		t.Error(err)
	}
	again, err := os.OpenFile(self, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

// TestLockMemory: where the limit leaves no room, nothing is changed.
func TestLockMemory(t *testing.T) {
	if os.Getenv(inside) == "" {
		runInside(t)
		return
	}
	limit := unix.Rlimit{Cur: 8 << 20, Max: 8 << 20}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	var swap *SwapError
	if err := lockAll(64 << 20); !errors.As(err, &swap) || swap.Limit != 8<<20 || swap.Needed < 1<<30 ||
		!strings.Contains(err.Error(), "RLIMIT_MEMLOCK is 8 MiB") {
		t.Errorf("%v", err)
	}
	if locked, err := readStatus("VmLck"); err != nil || locked != 0 {
		t.Errorf("%d KiB are locked, %v", locked, err)
	}
}

// TestLockedMemoryCanGrow: a process that may lock memory does, and goes on to
// use memory. One without the right is told of the limit instead.
func TestLockedMemoryCanGrow(t *testing.T) {
	if os.Getenv(inside) == "" {
		runInside(t, func(cmd *exec.Cmd) { cmd.SysProcAttr = nil })
		return
	}
	err := lockAll(1 << 40)
	if !mayLock(t) {
		var swap *SwapError
		if !errors.As(err, &swap) || swap.Err != nil {
			t.Errorf("%v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	used := make([][]byte, 64)
	for i := range used {
		used[i] = make([]byte, 1<<20)
		used[i][1<<19] = 1
	}
	if locked, err := readStatus("VmLck"); err != nil || locked == 0 {
		t.Errorf("%d KiB are locked, %v", locked, err)
	}
	// On fault: memory that is not yet used is not there.
	unused, err := unix.Mmap(-1, 0, 640<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(unused)
	if resident, err := readStatus("VmRSS"); err != nil || resident > 512<<10 {
		t.Errorf("%d KiB are resident, %v", resident, err)
	}
	_ = used
}

// mayLock tells whether this process may lock all that it uses, by the
// kernel's text about it.
func mayLock(t *testing.T) bool {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nCapEff:\t")
	word, _, _ := strings.Cut(rest, "\n")
	caps, err := strconv.ParseUint(word, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	return caps&(1<<unix.CAP_IPC_LOCK) != 0 || limit.Cur == math.MaxUint64
}
