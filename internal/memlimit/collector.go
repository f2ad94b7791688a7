package memlimit

import (
	"context"
	"log/slog"
	"math"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// watchEvery is the time over which the collector's share is measured.
	watchEvery = 30 * time.Second
	// Above warnAbove of the processor time the collector is warned of, once,
	// until it has been below calmBelow.
	warnAbove = 0.10
	calmBelow = 0.05
	// warnFrom is the least time of the collector in watchEvery, in seconds of
	// one processor, that is worth a word: a process that does next to nothing
	// may spend most of that on a collection.
	warnFrom = 1.0
)

// spent is the time that the collector and the process have taken so far.
type spent struct {
	collector float64 // seconds of processor time, without time that was idle otherwise
	process   float64 // seconds of processor time, the collector's included
	live      uint64  // bytes of the heap that the last collection has found in use
	limit     int64   // the collector's limit in bytes; math.MaxInt64: none
}

// WatchCollector warns in the log when the garbage collector takes more than a
// tenth of the processor time that the process takes, for half a minute: the
// limit is then too near the memory in use, and work is spent on saving memory.
// It watches in a goroutine of its own until stop is called, which waits for
// the end of it.
func WatchCollector(log *slog.Logger) (stop func()) { return watchSpent(log, readSpent) }

func watchSpent(log *slog.Logger, read func() spent) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		w := collectorWatch{log: log, before: read()}
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				w.noteSpent(read())
			}
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}

// collectorWatch decides when to warn.
type collectorWatch struct {
	log    *slog.Logger
	before spent
	warned bool
}

// noteSpent judges the time since the call before.
func (w *collectorWatch) noteSpent(now spent) {
	collector, process := now.collector-w.before.collector, now.process-w.before.process
	w.before = now
	share := 0.0
	if process > 0 {
		share = collector / process
	}
	switch {
	case share < calmBelow:
		w.warned = false
	case share > warnAbove && collector >= warnFrom && !w.warned:
		w.warned = true
		limit := "none"
		if now.limit != math.MaxInt64 {
			limit = formatMiB(uint64(now.limit))
		}
		w.log.Warn("the garbage collector takes much of the processor time, since the memory limit is near "+
			"the memory in use; a larger --budget raises the limit, and GOMEMLIMIT sets it",
			"percent", math.Round(share*100), "over", watchEvery, "memory_limit", limit,
			"heap_in_use", formatMiB(now.live))
	}
}

// readSpent reads the runtime's metrics. The runtime brings times up to date at
// the end of a collection: without one there is nothing to warn of.
func readSpent() spent {
	samples := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/gomemlimit:bytes"},
	}
	metrics.Read(samples)
	idle := samples[1].Value.Float64() // collections that nothing else wanted the processor for
	return spent{
		collector: samples[0].Value.Float64() - idle,
		process:   samples[2].Value.Float64() - samples[3].Value.Float64() - idle,
		live:      samples[4].Value.Uint64(),
		limit:     int64(min(samples[5].Value.Uint64(), math.MaxInt64)),
	}
}
