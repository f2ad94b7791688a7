package main

import "os/exec"

// Processors of a run with -one-core: the machine needs both.
const (
	brokerCore    = "0"
	contenderCore = "1"
)

// core returns the processor that contenders get, or nothing for all.
func (s *settings) core() string {
	if s.oneCore {
		return contenderCore
	}
	return ""
}

// pinToCore has a command run on the job's processor from its beginning, so
// that a Go program counts one processor only.
func (j *job) pinToCore(cmd *exec.Cmd) {
	if j.core == "" {
		return
	}
	cmd.Args = append([]string{"taskset", "--cpu-list", j.core, cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = exec.LookPath(cmd.Args[0])
}
