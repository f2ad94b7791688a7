package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/stopping"
)

// interruptedSources make the sources of the tests below, with n messages of
// these values. The tests run in a folder of their own.
var interruptedSources = map[string]func(t *testing.T, n int, value func(int) []byte) string{
	"file": putFile,
	"topic": func(t *testing.T, n int, value func(int) []byte) string {
		return putTopic(t, n, value) + "/orders?until=latest"
	},
	"stream": func(t *testing.T, n int, value func(int) []byte) string {
		return putStream(t, n, value) + "/ORDERS?until=latest"
	},
}

// fillFile makes a file of messages.
func fillFile(t *testing.T) string { return putFile(t, killedMessages, killedValue) }

// putFile is fillFile with n messages of these values.
func putFile(t *testing.T, n int, value func(int) []byte) string {
	t.Helper()
	var lines []byte
	for i := range n {
		lines = fmt.Appendf(lines, "{\"value\":%q}\n", value(i))
	}
	if err := os.WriteFile("in.ndjson", lines, 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:in.ndjson"
}

// TestInterruptedWithCheckpoint ends a run with a checkpoint by one SIGINT,
// while it waits for its rate. It finishes what is in flight, and the next run
// goes on there. Another program reads events, and the ending as the last line.
// While a run has the checkpoint, another one is refused.
func TestInterruptedWithCheckpoint(t *testing.T) {
	for name, fill := range interruptedSources {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			carry(t, 0, "keygen", "local", "--out", "key.jwk")
			interruptOnce(t, fill(t, killedMessages, killedValue))
		})
	}
}

func interruptOnce(t *testing.T, from string) {
	args := []string{"encrypt", "--key", "local:key.jwk", "--from", from, "--to", "file:out.scx", "--checkpoint", "ck", "--json"}
	c := exec.Command("streamcrypt", append(args, "--rate", "100kB/s", "--read-ahead", "256KiB")...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	began, deadline := false, time.Now().Add(time.Minute)
	for !began && time.Now().Before(deadline) { // until something is durable
		text, _ := os.ReadFile("ck")
		began = bytes.Contains(text, []byte(`"next"`))
		time.Sleep(20 * time.Millisecond)
	}
	second, err := exec.Command("streamcrypt", args...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !bytes.Contains(second, []byte("checkpoint ck: another run writes to it")) {
		t.Errorf("a second run at the same time: %v\n%s", err, second)
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); !began || !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("something was durable: %v; it ended with %v\n%s", began, err, &stderr)
	}
	outcome, before := readEnding(t, stdout.Bytes())
	if outcome != "interrupted" {
		t.Errorf("it says that it ended %s", outcome)
	}

	again, err := exec.Command("streamcrypt", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, after := readEnding(t, again); before+after != killedMessages {
		t.Errorf("%d messages before and %d after", before, after)
	}
	carry(t, 0, "decrypt", "--key", "local:key.jwk", "--from", "file:out.scx", "--to", "file:out.ndjson")
	text, err := os.ReadFile("out.ndjson")
	if err != nil || strings.Count(string(text), "\n") != killedMessages || !strings.Contains(string(text), fmt.Sprintf("order %06d ", killedMessages-1)) {
		t.Errorf("%d lines, %v", strings.Count(string(text), "\n"), err)
	}
}

// readEnding reads the events of a run: the last one tells how it ended, and
// all others are of its progress. A slow machine has more of those.
func readEnding(t *testing.T, stdout []byte) (outcome string, written int64) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(stdout)), "\n")
	var last struct {
		Event, Outcome string
		Counts         struct{ Written int64 }
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Event != "ended" {
		t.Errorf("the last line: %s, %v", lines[len(lines)-1], err)
	}
	for _, line := range lines[:len(lines)-1] {
		if !strings.HasPrefix(line, `{"event":"progress",`) {
			t.Errorf("another line: %s", line)
		}
	}
	return last.Outcome, last.Counts.Written
}

// TestInterruptedTwice: a run whose output is not taken stays after one SIGINT,
// since messages are in flight, and a second one ends it at once.
func TestInterruptedTwice(t *testing.T) {
	for name, fill := range interruptedSources {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			carry(t, 0, "keygen", "local", "--out", "key.jwk")
			large := func(int) []byte { return bytes.Repeat([]byte("x"), 300_000) } // no pipe holds one
			interruptTwice(t, fill(t, 3, large))
		})
	}
}

func interruptTwice(t *testing.T, from string) {
	c := exec.Command("streamcrypt", "encrypt", "--key", "local:key.jwk", "--from", from, "--to", "file:-?format=ndjson", "--grace", "10m")
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil { // it is in the middle of writing a message
		t.Fatal(err)
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(stderr)
	for log.Scan() && !strings.Contains(log.Text(), "ending") {
	}
	if err := log.Err(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for signals := 1; ; signals++ { // those of the first second are one and the same
		if err := c.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT || signals < 2 {
				t.Errorf("after %d signals it ended with %v", signals, err)
			}
			return
		case <-time.After(stopping.Same / 5):
		}
	}
}
