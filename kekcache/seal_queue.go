package kekcache

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Reasons for which a window was closed, in an Event.
const (
	whyAge      = "age"
	whyMessages = "messages"
	whyBytes    = "bytes"
	whySeals    = "seals"
	whyReload   = "reload"
	whyEvicted  = "evicted"
	whyEnd      = "end"
)

// windowQueue is the window that is sealed under now and those that were made
// ahead of need.
//
// Its generation tells a window that was asked for before a replacement from
// one that was asked for after: the former may be for a KEK that was removed.
type windowQueue struct {
	current atomic.Pointer[window]
	closing func(w *window, why string) // told of the end of each window, under mu

	mu         sync.Mutex
	next       []*window // the first to be current in front
	generation uint64    // how often replaceAll or closeAll was called
	replaced   string    // why it was called last
	closed     bool
}

// openGeneration returns the generation for pushWindow, or ErrClosed.
func (q *windowQueue) openGeneration() (generation uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, ErrClosed
	}
	return q.generation, nil
}

// pushWindow puts a window behind the others. If the queue was replaced or
// closed since openGeneration returned generation, the window is closed
// instead.
func (q *windowQueue) pushWindow(w *window, generation uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.generation != generation {
		q.retireWindow(w, q.replaced)
		return false
	}
	q.next = append(q.next, w)
	return true
}

// advanceWindow makes the next window current if there is one, and says whether
// spent is no longer current. why says which limit ended spent. The new window
// may already have expired: Quota.Take checks.
func (q *windowQueue) advanceWindow(spent *window, why string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.current.Load() != spent {
		return true
	}
	if len(q.next) == 0 {
		return false
	}
	q.enterWindow(q.next[0])
	q.next = slices.Delete(q.next, 0, 1)
	q.retireWindow(spent, why)
	return true
}

// replaceAll ends all windows there are and makes w current; w may be nil.
func (q *windowQueue) replaceAll(w *window, why string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.retireWindow(w, whyEnd)
		return
	}
	q.clearAll(why)
	q.enterWindow(w)
}

// closeAll ends all windows there are, and all that come.
func (q *windowQueue) closeAll(why string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clearAll(why)
	q.closed = true
	q.current.Store(nil)
}

// clearAll ends all windows. The caller holds q.mu and sets current.
func (q *windowQueue) clearAll(why string) {
	q.retireWindow(q.current.Load(), why)
	for _, w := range q.next {
		q.retireWindow(w, why)
	}
	q.next = nil
	q.generation++
	q.replaced = why
}

// enterWindow makes w current. The caller holds q.mu.
func (q *windowQueue) enterWindow(w *window) {
	if w != nil {
		w.entered = time.Now()
	}
	q.current.Store(w)
}

// retireWindow ends a window, also for those who hold blocks of it. It is
// called once for each window, when that leaves the queue or is refused by it.
// The caller holds q.mu.
func (q *windowQueue) retireWindow(w *window, why string) {
	if w == nil {
		return
	}
	w.ended.Store(true)
	q.closing(w, why)
}

// dropStale gives up the windows that were made so long ago that they would
// expire soon after w, the current one: a burst had them made. The next one is
// then asked for again.
func (q *windowQueue) dropStale(w *window) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next = slices.DeleteFunc(q.next, func(n *window) bool {
		stale := n.born.Sub(w.born) < w.limits.Age/8
		if stale {
			q.retireWindow(n, whyAge)
			w.asked.Store(false)
		}
		return stale
	})
}

// discardWindow closes a window that never was in the queue.
func (q *windowQueue) discardWindow(w *window, why string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retireWindow(w, why)
}

// hasNext says that a window after spent is there: as the next one, or current
// by now.
func (q *windowQueue) hasNext(spent *window) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.next) > 0 || q.current.Load() != spent
}

// countNext returns how many windows there are beside the current one.
func (q *windowQueue) countNext() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.next)
}
