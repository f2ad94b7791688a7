//go:build unix

package keyring

import (
	"os/exec"
	"syscall"
)

// endWithChildren has a command end together with all that it started.
func endWithChildren(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
