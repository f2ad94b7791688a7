package memlimit

import (
	"bytes"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatchCollector: the warning comes when the share over half a minute is
// above a tenth, once, and again only after it has been below a twentieth.
func TestWatchCollector(t *testing.T) {
	type turn struct {
		collector, process float64 // seconds in half a minute
		warns              bool
	}
	tests := map[string][]turn{
		"calm":                     {{0, 30, false}, {2.9, 30, false}, {0, 60, false}},
		"at the border":            {{3, 30, false}, {3.01, 30, true}},
		"once":                     {{6, 30, true}, {6, 30, false}, {30, 30, false}},
		"not forgotten in between": {{6, 30, true}, {2, 30, false}, {6, 30, false}},
		"again":                    {{6, 30, true}, {1.4, 30, false}, {6, 30, true}},
		"no collection":            {{6, 30, true}, {0, 0, false}, {6, 30, true}},
		"next to nothing to do":    {{0.9, 1, false}, {0.9, 0.9, false}, {1, 1, true}},
		"several processors":       {{9, 100, false}, {11, 100, true}},
	}
	for name, turns := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				var mu sync.Mutex
				now := spent{collector: 100, process: 200, live: 40 << 20, limit: 54 << 20}
				stop := watchSpent(slog.New(slog.NewTextHandler(&log, nil)), func() spent {
					mu.Lock()
					defer mu.Unlock()
					return now
				})
				defer stop()
				synctest.Wait()
				for i, turn := range turns {
					mu.Lock()
					now.collector += turn.collector
					now.process += turn.process
					mu.Unlock()
					time.Sleep(watchEvery)
					synctest.Wait()
					if warned := log.Len() > 0; warned != turn.warns {
						t.Errorf("turn %d: warned %v: %s", i, warned, log.String())
					}
					log.Reset()
				}
			})
		})
	}
}

func TestCollectorWarning(t *testing.T) {
	for limit, want := range map[int64]string{54 << 20: "memory_limit=54MiB", math.MaxInt64: "memory_limit=none"} {
		var log bytes.Buffer
		w := collectorWatch{log: slog.New(slog.NewTextHandler(&log, nil))}
		w.noteSpent(spent{collector: 6, process: 24, live: 41 << 20, limit: limit})
		for _, want := range []string{want, "heap_in_use=41MiB", "percent=25", "--budget", "GOMEMLIMIT", "over=30s"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no %s in %s", want, log.String())
			}
		}
	}
}

// TestStopsWatching: stop waits for a look that is under way, and none follows.
func TestStopsWatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		stop := watchSpent(slog.New(slog.DiscardHandler), func() spent {
			time.Sleep(time.Second)
			looks.Add(1)
			return spent{}
		})
		time.Sleep(time.Second + watchEvery + time.Millisecond) // within the second look
		stop()
		if n := looks.Load(); n != 2 {
			t.Errorf("%d looks when it was stopped", n)
		}
		time.Sleep(2 * watchEvery)
		if n := looks.Load(); n != 2 {
			t.Errorf("%d looks after it was stopped", n)
		}
	})
}

// TestReadSpent: the runtime has all metrics, and they move.
func TestReadSpent(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 40))
	before := readSpent()
	for range 3 {
		runtime.GC()
	}
	after := readSpent()
	if after.collector <= before.collector || after.process < after.collector || after.live == 0 || after.limit != 1<<40 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
