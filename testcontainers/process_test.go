package testcontainers

import (
	"bytes"
	"os/exec"
	"syscall"
	"testing"
)

// process is a command that runs until it is ended or killed.
type process struct {
	cmd   *exec.Cmd
	logs  bytes.Buffer
	ended chan struct{}
	err   error
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	p.cmd.Stderr = &p.logs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("streamcrypt %v: %v\n%s", args, p.err, p.logs.Bytes())
		}
	})
	return p
}

// kill takes the process away without a word. It must not have ended before.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	p.killed(t)
}

// killed checks that a process that has ended was killed.
func (p *process) killed(t *testing.T) {
	t.Helper()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("it ended by itself: %v", p.err)
	}
}

// end tells the process to end, which it does well.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if p.err != nil {
		t.Errorf("it ended with %v", p.err)
	}
}
