package main

import (
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
)

// TestInterruptedWithCheckpoint ends a run with a checkpoint by one SIGINT,
// while it waits for its rate. It finishes the batches in flight, and the next
// run goes on there. Another program reads events, and the ending as the last
// line.
func TestInterruptedWithCheckpoint(t *testing.T) {
	t.Chdir(t.TempDir())
	carry(t, 0, "keygen", "local", "--out", "key.jwk")
	url := fillStream(t)
	args := []string{
		"encrypt", "--key", "local:key.jwk", "--from", url + "/ORDERS?until=latest", "--to", "file:out.scx",
		"--checkpoint", "ck", "--json",
	}
	c := exec.Command("streamcrypt", append(args, "--rate", "500kB/s")...)
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
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
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
