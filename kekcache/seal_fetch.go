package kekcache

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// fetcher has the windows of one purpose made, one at a time, ahead of need.
type fetcher struct {
	windows *windowQueue
	limits  Limits
	seals   uint64 // per DEK
	// patiently makes a DEK and waits while that can help; once tries it once.
	patiently, once func(context.Context) (*Key, error)
	wakeRun         func() // has Run call fetchAhead
	flushAudit      func() // records the end of a window that was never current

	flights flights[struct{}]
	pace    pace
	quick   atomic.Bool // the last DEK was made in no more than quickly
}

// maxAhead is how many windows are fetched ahead at most.
const maxAhead = 8

// schedulerDelay is how long Run may have to wait for a processor where all are
// busy, before a call and after it: a few time slices of the Go scheduler.
const schedulerDelay = 50 * time.Millisecond

// quickly is how long making a DEK may take for a Take to do it by itself,
// ahead of time: less than it would take to have it done by a goroutine that
// must first be given a processor.
const quickly = 500 * time.Microsecond

// pace is how long things took of late.
type pace struct {
	mu    sync.Mutex
	made  time.Duration // making a DEK
	lasts time.Duration // using up a window; 0: long
}

// countAhead is how many windows should be there beside the current one: one,
// and as many as will be used up while one is made.
func (p *pace) countAhead() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lasts <= 0 {
		return 1
	}
	takes := p.made
	if takes > quickly { // otherwise the one who takes makes it, and not Run
		takes += schedulerDelay
	}
	return min(maxAhead, 1+int(takes/p.lasts))
}

func (p *pace) noteMade(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made = took
}

func (p *pace) noteLasts(lasts time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lasts = lasts
}

// fetchNext returns when one window after spent is there.
func (f *fetcher) fetchNext(ctx context.Context, spent *window) error {
	return f.fetchUntil(ctx, func() bool { return f.windows.hasNext(spent) })
}

// fetchAhead returns when as many windows are there as the pace calls for.
func (f *fetcher) fetchAhead(ctx context.Context) error {
	return f.fetchUntil(ctx, func() bool { return f.windows.countNext() >= f.pace.countAhead() })
}

func (f *fetcher) fetchUntil(ctx context.Context, enough func() bool) error {
	for !enough() {
		err := f.flights.doOnce(ctx, struct{}{}, enough, func(ctx context.Context) error {
			return f.makeWindow(ctx, f.patiently)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makeWindow makes a DEK and a window of it. If the queue was replaced or
// closed meanwhile, the window is closed at once, and this flight is void.
func (f *fetcher) makeWindow(ctx context.Context, makeKey func(context.Context) (*Key, error)) error {
	generation, err := f.windows.openGeneration() // before makeKey looks which KEKs there are
	if err != nil {
		return err
	}
	began := time.Now()
	key, err := makeKey(ctx)
	if err != nil {
		return err
	}
	if f.windows.pushWindow(f.newWindow(key), generation) {
		f.pace.noteMade(time.Since(began))
	} else {
		f.flushAudit() // after Close nobody else does
	}
	return nil
}

// newWindow returns a window of a DEK that was made just now.
func (f *fetcher) newWindow(key *Key) *window {
	f.quick.Store(time.Since(key.born) <= quickly)
	return newWindow(key, f.limits, f.seals)
}

// replaceWindows ends all windows, and the fetch under way, and makes w
// current.
func (f *fetcher) replaceWindows(w *window, why string) {
	f.flights.voidAll(func() { f.windows.replaceAll(w, why) })
}

// closeWindows ends all windows and the fetch under way, for good.
func (f *fetcher) closeWindows(why string) {
	f.flights.voidAll(func() { f.windows.closeAll(why) })
}

// askIfLow asks for the next window if little is left of w.
func (f *fetcher) askIfLow(ctx context.Context, w *window, now time.Time) {
	if w.asked.Load() {
		return
	}
	low, lasts := w.isLow(now)
	if !low {
		return
	}
	f.pace.noteLasts(lasts)
	f.askNext(ctx, w)
}

// askNext has the window after w fetched, once per window.
func (f *fetcher) askNext(ctx context.Context, w *window) {
	if !w.asked.CompareAndSwap(false, true) {
		return
	}
	if !f.quick.Load() || !f.makeNext(ctx, w) {
		f.wakeRun()
		runtime.Gosched() // the others have work for a time slice, and the window may not last for one
	}
}

// makeNext makes the window after w in one try, unless somebody else is at it.
// It says whether that window is there, or will be.
func (f *fetcher) makeNext(ctx context.Context, w *window) bool {
	ctx, cancel := context.WithTimeout(ctx, 100*quickly) // should it hang for once
	defer cancel()
	mine, _ := f.flights.joinFlight(ctx, struct{}{}, func() bool { return f.windows.hasNext(w) })
	if mine == nil {
		return true
	}
	void, err := f.flights.leadFlight(struct{}{}, mine, func(ctx context.Context) error {
		return f.makeWindow(ctx, f.once)
	})
	if err != nil && !void {
		f.quick.Store(false)
		return false
	}
	return true
}

// renewByAge asks for the next window because of the age of w, the current one.
func (f *fetcher) renewByAge(w *window) {
	f.windows.dropStale(w)
	f.pace.noteLasts(0)
	if w.asked.CompareAndSwap(false, true) {
		f.wakeRun()
	}
}
