package kekcache

import (
	"context"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
)

// A place may have so many unwraps by a key service fail at once, and then so
// many a second. One more waits: junk in one place then keeps neither the
// service nor the other places busy.
const (
	failuresAtOnce    = 50
	failuresPerSecond = 5

	// keptPlaces is of how many places failures are counted.
	keptPlaces = 4096
)

// budgets are the failed unwraps that each place has left.
type budgets struct {
	mu     sync.Mutex
	places *lru[string, *bucket]
}

// bucket fills up with the time.
type bucket struct {
	left float64 // as of when
	when time.Time
}

func newBudgets() *budgets { return &budgets{places: newLRU[string, *bucket](keptPlaces, nil)} }

// wait returns when the place may ask a key service, or with the error of ctx.
func (b *budgets) wait(ctx context.Context, place string) error {
	for {
		delay := b.delay(place, time.Now())
		if delay <= 0 {
			return nil
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// delay returns how long the place has to wait.
func (b *budgets) delay(place string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.places.get(place)
	if !ok {
		return 0
	}
	p.fill(now)
	return time.Duration((1 - p.left) * float64(time.Second) / failuresPerSecond)
}

// charge notes that an unwrap has failed.
func (b *budgets) charge(place string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.places.get(place)
	if !ok {
		p = &bucket{left: failuresAtOnce, when: time.Now()}
		b.places.put(place, p)
	}
	p.fill(time.Now())
	p.left--
}

func (p *bucket) fill(now time.Time) {
	p.left = min(failuresAtOnce, p.left+now.Sub(p.when).Seconds()*failuresPerSecond)
	p.when = now
}

// isLimited says that tries of a KEK in vain count.
func isLimited(k keys.Unwrapper) bool {
	_, local := k.(keys.Local)
	return !local
}
