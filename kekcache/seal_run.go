package kekcache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Run fetches data keys ahead and keeps the time until ctx ends. Without it
// everything works, but the caller that takes the last of a window waits for
// the next key, and each Take reads the clock. With it a window ends a little
// before its age; only a process that was stopped (a machine that slept) may
// seal on for the instant until Run is scheduled, and then no Quota more than
// its block of at most 1,024 messages.
//
// It starts one goroutine, and one for each Purpose for which a data key is
// being made; they have ended when it returns.
func (k *SealKeys) Run(ctx context.Context) {
	var serving sync.WaitGroup
	serving.Go(func() { k.serveRequests(ctx) })
	period := k.o.Limits.tickPeriod()
	k.clock.run(ctx, period, func(now time.Time) {
		k.set.eachEntry(func(e *sealEntry) { e.tickAge(now, period) })
	})
	serving.Wait()
}

// serveRequests fetches the windows that are asked for, and records events that
// nobody waits for.
func (k *SealKeys) serveRequests(ctx context.Context) {
	var fetching sync.WaitGroup
	for {
		select {
		case <-ctx.Done():
			fetching.Wait()
			k.audit.tryFlush()
			return
		case <-k.audit.wake:
			k.audit.tryFlush()
		case <-k.requests.signal:
			for _, e := range k.requests.takeAll() {
				fetching.Go(func() {
					defer k.requests.finishEntry(e)
					k.fetchAhead(ctx, e)
				})
			}
		}
	}
}

func (k *SealKeys) fetchAhead(ctx context.Context, e *sealEntry) {
	err := e.fetcher.fetchAhead(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
		e.status.log.Error("the next data key cannot be made", "error", err)
	}
}

// requests are the entries for which Run is to fetch ahead. Each is served by
// one goroutine at a time.
type requests struct {
	signal chan struct{} // there is something to take

	mu      sync.Mutex
	pending map[*sealEntry]bool
	served  map[*sealEntry]bool
}

func newRequests() *requests {
	return &requests{
		signal:  make(chan struct{}, 1),
		pending: map[*sealEntry]bool{},
		served:  map[*sealEntry]bool{},
	}
}

// addEntry asks for e to be served, again if it is being served.
func (r *requests) addEntry(e *sealEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[e] = true
	r.sendSignal()
}

// dropEntry takes back a request for an entry that was closed.
func (r *requests) dropEntry(e *sealEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, e)
}

// takeAll returns the entries to serve, each until finishEntry.
func (r *requests) takeAll() (all []*sealEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := range r.pending {
		if !r.served[e] {
			delete(r.pending, e)
			r.served[e] = true
			all = append(all, e)
		}
	}
	return all
}

func (r *requests) finishEntry(e *sealEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.served, e)
	if r.pending[e] {
		r.sendSignal()
	}
}

// sendSignal sends the signal. The caller holds r.mu.
func (r *requests) sendSignal() {
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

// clock spares every Take a look at the time while it runs.
type clock struct {
	now     atomic.Uint32 // unix seconds, while running
	running atomic.Bool   // now is kept, and windows are ended by age
}

// run calls tick and notes the time, at once and after each period, until ctx
// ends.
func (c *clock) run(ctx context.Context, period time.Duration, tick func(now time.Time)) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		now := time.Now()
		c.now.Store(unixTime(now))
		tick(now)
		c.running.Store(true)
		select {
		case <-ctx.Done():
			c.running.Store(false)
			return
		case <-ticker.C:
		}
	}
}

// isLive says that w may be sealed under. While the clock runs that costs no
// look at the time.
func (c *clock) isLive(w *window) bool {
	if c.running.Load() {
		return !w.ended.Load()
	}
	return w.isLive(time.Now())
}

// unixNow is the time in unix seconds, to a second.
func (c *clock) unixNow() uint32 {
	if c.running.Load() {
		return c.now.Load()
	}
	return unixTime(time.Now())
}

func unixTime(t time.Time) uint32 { return uint32(max(0, min(t.Unix(), 1<<32-1))) }
