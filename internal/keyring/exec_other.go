//go:build !unix

package keyring

import "os/exec"

// endWithChildren does nothing here: the system has no process groups.
func endWithChildren(*exec.Cmd) {}
