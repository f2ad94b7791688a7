package testcontainers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

// binary is the command, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "streamcrypt-containers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "streamcrypt")
	build := exec.Command("go", "build", "-o", binary, "./cmd/streamcrypt")
	build.Dir, build.Stdout, build.Stderr = "..", os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	return m.Run()
}

// needEngine skips the test, loudly, where there is no container engine, or
// fails it where one is required.
func needEngine(t *testing.T) {
	t.Helper()
	provider, err := testcontainers.NewDockerProvider()
	if err == nil {
		err = provider.Health(t.Context())
	}
	switch {
	case err == nil:
	case os.Getenv("TEST_REQUIRE_CONTAINERS") == "1":
		t.Fatalf("a container engine is required: %v", err)
	default:
		t.Skipf("SKIPPED, NOT RUN: no container engine: %v", err)
	}
}

// commandTime bounds a command of a test: far more than any needs on a busy
// machine, and far less than the suite may take, so that a command that waits
// for ever is told from a slow suite.
const commandTime = 4 * time.Minute

// streamcrypt runs the command to its end and fails the test unless it exits 0.
func streamcrypt(ctx context.Context, t *testing.T, args ...string) (stdout []byte) {
	t.Helper()
	e := exitOf(ctx, t, args...)
	if e.code != 0 {
		t.Fatalf("streamcrypt %v: exit %d\n%s", args, e.code, e.stderr)
	}
	return e.stdout
}

// exit is how the command ended.
type exit struct {
	code   int
	stdout []byte
	stderr string
}

// exitOf runs the command to its end, however it ends. A command that has not
// ended after commandTime says what its goroutines do, and the test fails.
func exitOf(ctx context.Context, t *testing.T, args ...string) exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 10 * time.Second
	var out, logs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &logs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("streamcrypt %v: not ended: %v\n%s", args, ctx.Err(), logs.Bytes())
	}
	return exit{cmd.ProcessState.ExitCode(), out.Bytes(), logs.String()}
}
