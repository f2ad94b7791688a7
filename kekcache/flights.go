package kekcache

import (
	"context"
	"sync"
)

// flights lets one caller do a piece of work while everyone else who wants its
// result waits. K tells pieces of work apart. The zero value is ready for use.
//
// The caller that comes first does the work on its own goroutine and under its
// own context. When it is done, well or not, the others look for the result
// again and the first that does not find it takes over. So a caller that gives
// up hands over to another, and an error is told to the one that met it.
//
// The work of a flight that was voided goes on until it hears of its context's
// end, but nobody waits for it any more: the next caller begins anew.
//
// Lock order: look and replace are called under flights.mu and may take the
// lock of the results' owner, who never calls flights under that lock.
type flights[K comparable] struct {
	mu     sync.Mutex
	active map[K]*flight
}

// flight is one piece of work under way.
type flight struct {
	ctx    context.Context //nolint:containedctx // of the caller who does the work; voiding ends it
	cancel context.CancelFunc
	done   chan struct{} // closed when the work has ended, or was voided
	void   bool          // guarded by flights.mu
}

// doOnce returns when look finds the result, or when this caller has done the
// work. While another caller is at it, doOnce waits for that, or until ctx
// ends. work's context ends with ctx, and when the flight is voided: then its
// result and its error are dropped, and doOnce looks again. Otherwise its error
// is returned. look must be quick, since it is called under a lock.
func (f *flights[K]) doOnce(ctx context.Context, key K, look func() bool, work func(context.Context) error) error {
	for {
		mine, other := f.joinFlight(ctx, key, look)
		switch {
		case mine != nil:
			void, err := f.leadFlight(key, mine, work)
			if !void {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		case other == nil:
			return nil
		default:
			select {
			case <-other.done:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// joinFlight returns a new flight that the caller must lead, or the one under
// way, or nil twice if look finds the result.
func (f *flights[K]) joinFlight(ctx context.Context, key K, look func() bool) (mine, other *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if look() {
		return nil, nil
	}
	if other = f.active[key]; other != nil {
		return nil, other
	}
	mine = &flight{done: make(chan struct{})}
	mine.ctx, mine.cancel = context.WithCancel(ctx)
	if f.active == nil {
		f.active = map[K]*flight{}
	}
	f.active[key] = mine
	return mine, nil
}

// leadFlight does the work that the others wait for. void says that it is worth
// nothing, however it ended.
func (f *flights[K]) leadFlight(key K, mine *flight, work func(context.Context) error) (void bool, err error) {
	defer func() { void = f.landFlight(key, mine) }() // also after a panic of a key service
	return false, work(mine.ctx)
}

// landFlight ends a flight and says whether it was voided.
func (f *flights[K]) landFlight(key K, mine *flight) (void bool) {
	mine.cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	if mine.void {
		return true
	}
	close(mine.done)
	delete(f.active, key)
	return false
}

// voidAll calls replace, after which the owner must refuse the results of the
// flights under way. Then it ends their contexts and lets those who wait for
// them go on. Both happen under one lock: when a result was refused because of
// replace, its flight is known to be void by the time it lands.
func (f *flights[K]) voidAll(replace func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	replace()
	for key, fl := range f.active {
		fl.void = true
		fl.cancel()
		close(fl.done)
		delete(f.active, key)
	}
}

// countActive is how many flights are under way.
func (f *flights[K]) countActive() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.active)
}
