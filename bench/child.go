package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// usage is the time and the memory that a child process took.
type usage struct {
	wall, cpu time.Duration
	rss       float64 // at its peak, in MiB
}

// runCommand runs a command to its end. Its standard output goes nowhere unless
// cmd says otherwise.
//
// The peak that Linux reports of a child is at least the memory of this process
// when it started the child. So this process allocates nothing large before it
// has run the children that are measured by their memory.
func runCommand(cmd *exec.Cmd) (usage, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if err != nil {
		return usage{}, fmt.Errorf("%v: %w: %s", cmd.Args, err, bytes.TrimSpace(said.Bytes()))
	}
	u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return usage{}, fmt.Errorf("%v: no resource usage on this system", cmd.Args)
	}
	return usage{wall: wall, cpu: usedBy(u), rss: float64(u.Maxrss) / 1024}, nil
}

// buildCommand compiles a command as part of the module in folder, which
// decides about versions.
func buildCommand(ctx context.Context, folder, out, pkg string) error {
	//nolint:gosec // the callers are in this package
	_, err := runCommand(exec.CommandContext(ctx, "go", "build", "-C", folder, "-o", out, pkg))
	return err
}
