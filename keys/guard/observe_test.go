package guard_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// witness keeps all that an Observer is told.
type witness struct {
	mu      sync.Mutex
	said    []string
	refused int
}

func (w *witness) BreakerState(key string, s guard.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, fmt.Sprintf("%s %s", key, s))
}

func (w *witness) CallRefused(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if key == "kms:k" {
		w.refused++
	}
}

func (w *witness) CallDelayed(key string, waited time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, fmt.Sprintf("%s waited %s", key, waited))
}

func (w *witness) want(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.said, want) {
		t.Errorf("told %q, want %q", w.said, want)
	}
	w.said = nil
}

// TestObserver is told of each change of the breaker, of calls that it refuses,
// and of those that wait for the rate.
func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := &witness{}, &service{}
		g := newGuard(t, guard.Options{Rate: 1, Burst: 10, Observer: w})
		call := func() error { return g.Do(context.Background(), "unwrap", "k", s.call) }
		if err := call(); err != nil {
			t.Fatal(err)
		}
		s.set(fault(keys.Away), 0)
		for range 8 { // five open it
			if err := call(); err == nil {
				t.Error("it answered")
			}
		}
		w.want(t, "kms:k open")
		if w.refused != 3 {
			t.Errorf("%d calls refused", w.refused)
		}
		s.set(nil, 0)
		time.Sleep(1100 * time.Millisecond)
		if err := call(); err != nil {
			t.Fatal(err)
		}
		w.want(t, "kms:k half-open", "kms:k closed")
		for range 5 {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		w.want(t, "kms:k waited 900ms")
	})
}
