package testcontainers

import (
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a command that runs until it is ended or killed.
type process struct {
	cmd   *exec.Cmd
	logs  logBuffer
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
		if t.Failed() {
			p.dump()
		}
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("streamcrypt %v: %v\n%s", args, p.err, p.logs.String())
		}
	})
	return p
}

// dump has the process write what each of its goroutines does, and end.
func (p *process) dump() {
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second): // it does not hear; it is killed instead
	}
}

// logBuffer is what a process has logged so far.
type logBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// hasLogged tells how many times the process has logged a text.
func (p *process) hasLogged(text string) int { return strings.Count(p.logs.String(), text) }

// patience is how long tests wait for what takes seconds: the machine may have
// other things to do. It is over only where something stands still.
const patience = 4 * time.Minute

// awaitLog waits until the process has logged a text n times.
func (p *process) awaitLog(t *testing.T, text string, n int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for p.hasLogged(text) < n {
		select {
		case <-p.ended:
			t.Fatalf("it has ended, and has not logged %q: %v", text, p.err)
		case <-time.After(20 * time.Millisecond): // asked again; the log decides
		}
		if time.Now().After(deadline) {
			t.Fatalf("it has logged %q %d times of %d", text, p.hasLogged(text), n)
		}
	}
}

// exitCode waits until the process has ended by itself, and returns its code.
func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	return p.cmd.ProcessState.ExitCode()
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
	select {
	case <-p.ended:
	case <-time.After(2 * time.Minute):
		p.dump()
		t.Fatal("it does not end") // its goroutines are in its log
	}
	if p.err != nil {
		t.Errorf("it ended with %v", p.err)
	}
}
