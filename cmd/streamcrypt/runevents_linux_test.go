package main

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"testing"
	"time"
)

// progressEvent is an event of progress, as another program reads it.
type progressEvent struct {
	Event       string
	Done, Total int64
	PerSecond   float64 `json:"per_second"`
	SecondsLeft float64 `json:"seconds_left"`
	Keys        string
	SetAside    *int64 `json:"set_aside"`
	Parked      *int64
	Places      []struct {
		Place string
		Next  *int64
	}
}

// TestProgressEvents: another program that runs the command learns how far it
// is in total and at each place, its speed, the time left, and the state of
// keys and messages, whichever source it has.
func TestProgressEvents(t *testing.T) {
	places := map[string]string{"file": "in.ndjson", "topic": "orders/0", "stream": "ORDERS"}
	for name, fill := range interruptedSources {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			carry(t, 0, "keygen", "local", "--out", "key.jwk")
			e := readProgressEvent(t, fill(t, killedMessages, killedValue))
			if e.Done <= 0 || e.Done >= e.Total || e.Keys != "normal" || e.SetAside == nil || e.Parked == nil {
				t.Errorf("%+v", e)
			}
			if len(e.Places) == 0 || e.Places[0].Place != places[name] || e.Places[0].Next == nil || *e.Places[0].Next <= 0 {
				t.Errorf("places: %+v", e.Places)
			}
			left := float64(e.Total-e.Done) / e.PerSecond
			if e.PerSecond <= 0 || e.SecondsLeft < left*0.9 || e.SecondsLeft > left*1.1 {
				t.Errorf("%v seconds are left at %v a second of %d: %v", e.SecondsLeft, e.PerSecond, e.Total-e.Done, left)
			}
		})
	}
}

// readProgressEvent reads the first event of a run that is in the middle.
func readProgressEvent(t *testing.T, from string) (e progressEvent) {
	t.Helper()
	c := exec.Command("streamcrypt", "encrypt", "--key", "local:key.jwk", "--from", from, "--to", "file:out.scx",
		"--checkpoint", "ck", "--json", "--rate", "200kB/s", "--read-ahead", "256KiB")
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	hung := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() })
	defer hung.Stop()
	lines := bufio.NewScanner(stdout)
	for (e.Done == 0 || len(e.Places) == 0) && lines.Scan() { // nothing may have been written yet
		e = progressEvent{}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Event != "progress" {
			t.Errorf("%s: %v", lines.Bytes(), err)
			break
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.Wait() // it was killed
	return e
}
