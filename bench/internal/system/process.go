package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is the time and the memory that a child process took from start to end.
type Usage struct {
	Wall, CPU time.Duration
	RSS       float64 // at its peak, in MiB
}

// RunCommand runs a command to its end, of exec.CommandContext. Its standard
// output goes nowhere unless cmd says otherwise.
//
// The peak that Linux reports of a child is at least the memory of this process
// when it started the child. So this process allocates nothing large before it
// has run the children that are measured by their memory, and a child fills
// topics too.
func RunCommand(cmd *exec.Cmd) (Usage, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // a Go program then prints its stacks
	cmd.WaitDelay = 10 * time.Second
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if err != nil {
		return Usage{}, fmt.Errorf("%v: %w: %s", cmd.Args, err, bytes.TrimSpace(said.Bytes()))
	}
	u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return Usage{}, fmt.Errorf("%v: no resource usage on this system", cmd.Args)
	}
	return Usage{
		Wall: wall, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), RSS: float64(u.Maxrss) / 1024,
	}, nil
}

// BuildCommand compiles a command as part of the module in folder, which
// decides about versions.
func BuildCommand(ctx context.Context, folder, out, pkg string) error {
	//nolint:gosec // packages of this repository, and its tools
	_, err := RunCommand(exec.CommandContext(ctx, "go", "build", "-C", folder, "-o", out, pkg))
	return err
}

// BuildWithKey compiles the streamcrypt command of the repository in root into
// dir, and makes a local key beside it. It returns the path of the program and
// the URL of the key.
func BuildWithKey(ctx context.Context, root, dir string) (program, key string, err error) {
	program, file := filepath.Join(dir, "streamcrypt"), filepath.Join(dir, "key.jwk")
	if err := BuildCommand(ctx, root, program, "./cmd/streamcrypt"); err != nil {
		return "", "", err
	}
	//nolint:gosec // just built
	_, err = RunCommand(exec.CommandContext(ctx, program, "keygen", "local", "--out", file))
	return program, "local:" + file, err
}

// OwnPeak returns the peak of this process, in MiB: no child can show less.
func OwnPeak() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Maxrss) / 1024
}

// ReadProcessorTime returns the processor time of a process so far. Linux
// counts it in ticks of 10 ms here.
func ReadProcessorTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(stat), ") ") // behind the name
	fields := strings.Fields(rest)
	const user, system = 11, 12
	if !ok || len(fields) <= system {
		return 0, errors.New("unknown form of /proc/PID/stat")
	}
	var ticks int64
	for _, f := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// ReadPeak returns the most memory that a process has had so far, in MiB.
func ReadPeak(pid int) (float64, error) { return readMemory(pid, "VmHWM:") }

// ReadMemory returns the memory of a process now, and the most so far, in MiB.
func ReadMemory(pid int) (now, peak float64, err error) {
	if now, err = readMemory(pid, "VmRSS:"); err != nil {
		return 0, 0, err
	}
	peak, err = ReadPeak(pid)
	return now, peak, err
}

func readMemory(pid int, field string) (float64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			return float64(n) / 1024, err
		}
	}
	return 0, fmt.Errorf("unknown form of /proc/%d/status", pid)
}
