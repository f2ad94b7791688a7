package kekcache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// result is something that flights bring, for one key.
type result struct {
	mu    sync.Mutex
	there bool
}

func (r *result) look() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.there
}

func (r *result) set(there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.there = there
}

// TestOneFlightForAll: however many want a result, one works for it at a time,
// and different keys do not wait for each other.
func TestOneFlightForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights[int]
		results := make([]result, 3)
		var busy [3]atomic.Int32
		var worked atomic.Int32
		var wg sync.WaitGroup
		begin := time.Now()
		for i := range 90 {
			key := i % 3
			wg.Go(func() {
				err := f.doOnce(t.Context(), key, results[key].look, func(context.Context) error {
					if busy[key].Add(1) > 1 {
						t.Error("two at work for one key")
					}
					defer busy[key].Add(-1)
					time.Sleep(time.Second)
					worked.Add(1)
					results[key].set(true)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if worked.Load() != 3 || time.Since(begin) != time.Second || f.countActive() != 0 {
			t.Errorf("worked %d times in %s, %d under way", worked.Load(), time.Since(begin), f.countActive())
		}
	})
}

// TestFlightIsHandedOver: the error of one who gives up, or whose work fails,
// is told to that one alone; the next one takes over.
func TestFlightIsHandedOver(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		fail func(ctx context.Context, giveUp context.CancelFunc) error
		want error
	}{
		"gives up": {func(ctx context.Context, giveUp context.CancelFunc) error { giveUp(); <-ctx.Done(); return ctx.Err() }, context.Canceled},
		"fails":    {func(context.Context, context.CancelFunc) error { return broken }, broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var f flights[int]
				var r result
				ctx, giveUp := context.WithCancel(t.Context())
				defer giveUp()
				first := make(chan error, 1)
				go func() {
					first <- f.doOnce(ctx, 0, r.look, func(ctx context.Context) error {
						time.Sleep(time.Second)
						return test.fail(ctx, giveUp)
					})
				}()
				synctest.Wait()
				worked := false
				err := f.doOnce(t.Context(), 0, r.look, func(context.Context) error {
					worked = true
					r.set(true)
					return nil
				})
				if err != nil || !worked {
					t.Errorf("the second one: %v, worked %v", err, worked)
				}
				if err := <-first; !errors.Is(err, test.want) {
					t.Errorf("the first one: %v", err)
				}
			})
		})
	}
}

// TestWaitingForAFlightEnds with the context of the one who waits.
func TestWaitingForAFlightEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights[int]
		var r result
		go func() {
			_ = f.doOnce(t.Context(), 0, r.look, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := f.doOnce(ctx, 0, r.look, func(context.Context) error { t.Error("two at work"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestVoidFlight: after voidAll nobody waits for the old work, though it does
// not hear of its context's end, and its result and error are dropped.
func TestVoidFlight(t *testing.T) {
	for name, old := range map[string]error{"goes well": nil, "fails": errors.New("broken")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var f flights[int]
				var r result
				generation, calls := 0, 0
				work := func(ctx context.Context) error {
					r.mu.Lock()
					begun := generation
					calls++
					first := calls == 1
					r.mu.Unlock()
					if first {
						time.Sleep(time.Hour) // deaf
						if ctx.Err() == nil {
							t.Error("its context goes on")
						}
						if old != nil {
							return old
						}
					}
					r.mu.Lock()
					defer r.mu.Unlock()
					r.there = r.there || begun == generation
					return nil
				}
				ended := make(chan error, 2)
				begin := time.Now()
				for range 2 {
					go func() { ended <- f.doOnce(t.Context(), 0, r.look, work) }()
					time.Sleep(time.Second)
				}
				f.voidAll(func() { r.mu.Lock(); defer r.mu.Unlock(); generation++ })
				if err := <-ended; err != nil || time.Since(begin) > time.Minute {
					t.Errorf("the one who waited: %v after %s", err, time.Since(begin))
				}
				if err := <-ended; err != nil || time.Since(begin) < time.Hour {
					t.Errorf("the one at work: %v after %s", err, time.Since(begin))
				}
				if calls != 2 || f.countActive() != 0 {
					t.Errorf("%d calls, %d under way", calls, f.countActive())
				}
			})
		})
	}
}

// TestPanicInAFlight leaves nobody waiting for ever.
func TestPanicInAFlight(t *testing.T) {
	var f flights[int]
	var r result
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = f.doOnce(t.Context(), 0, r.look, func(context.Context) error { panic("a bug") })
	}()
	if f.countActive() != 0 {
		t.Error("it is still under way")
	}
}
