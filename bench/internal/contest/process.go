package contest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is the processor time and the memory that a child process took from
// start to end.
type Usage struct {
	CPU time.Duration
	RSS float64 // at its peak, in MiB
}

// RunCommand runs a command to its end.
//
// The peak that Linux reports of a child is at least the memory of this process
// when it started the child. So this process keeps small: a child fills the
// topics too.
func RunCommand(cmd *exec.Cmd) (Usage, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // a Go program then prints its stacks
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return Usage{}, fmt.Errorf("%v: %w: %s", cmd.Args, err, bytes.TrimSpace(said.Bytes()))
	}
	return usageOf(cmd)
}

func usageOf(cmd *exec.Cmd) (Usage, error) {
	u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return Usage{}, errors.New("no resource usage on this system")
	}
	return Usage{CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), RSS: float64(u.Maxrss) / 1024}, nil
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
