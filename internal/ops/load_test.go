//go:build releasecheck

package ops

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// loadProcessors keeps every processor busy with the figures of a route until
// stop is called.
func loadProcessors(w *watch.Route) (stop func()) {
	var done atomic.Bool
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			counts := []pipeline.PlaceCounts{{Place: "orders/0", Read: 1}}
			for !done.Load() {
				w.BeginWork()
				for i := range 100_000 {
					counts[0].Next = int64(i)
				}
				w.ObserveBatch(counts)
				w.EndWork(pipeline.Work{Messages: 1})
			}
		})
	}
	return func() {
		done.Store(true)
		all.Wait()
	}
}
