package route

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// jobFunc is a job that is done by a function.
type jobFunc func() error

func (f jobFunc) run(context.Context) error { return f() }

func (jobFunc) snapshot() Snapshot { return Snapshot{} }

// TestRunWatchesCollector: while a route runs, and no longer, the share of the
// garbage collector is watched, which warns of a memory limit that is too low.
func TestRunWatchesCollector(t *testing.T) {
	isWatched := func() bool {
		b := make([]byte, 4<<20)
		return strings.Contains(string(b[:runtime.Stack(b, true)]), "memlimit.watchSpent")
	}
	failed := errors.New("the job's own error")
	r := &Route{env: Env{Log: quiet}, job: jobFunc(func() error {
		for deadline := time.Now().Add(10 * time.Second); !isWatched(); runtime.Gosched() { // its goroutine has yet to begin
			if time.Now().After(deadline) {
				t.Error("nobody watches")
				break
			}
		}
		return failed
	})}
	if isWatched() {
		t.Error("it is watched before")
	}
	if err := r.Run(t.Context()); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if isWatched() {
		t.Error("it is watched after")
	}
}
