package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitsDoubleWithinTheirSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const first, longest = 100 * time.Millisecond, 1800 * time.Millisecond
		seen := map[time.Duration]bool{}
		for range 50 {
			w := Policy{First: first, Longest: longest}.Begin()
			for try, span := range []time.Duration{first, 2 * first, 4 * first, 8 * first, 16 * first, longest, longest} {
				if w.Tries() != try {
					t.Fatalf("%d tries, want %d", w.Tries(), try)
				}
				began := time.Now()
				if err := w.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				took := time.Since(began)
				if took < span/2 || took > span+1 {
					t.Errorf("wait %d: %s is not between half and all of %s", try, took, span)
				}
				seen[took] = true
			}
		}
		if len(seen) < 300 {
			t.Errorf("%d different waits of 350: they are not drawn at random", len(seen))
		}
	})
}

func TestWaitsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := Policy{First: time.Second, Longest: time.Hour}.Begin()
		for range 8 {
			if err := w.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.Reset()
		began := time.Now()
		if err := w.Wait(t.Context()); err != nil || time.Since(began) > time.Second+1 || w.Tries() != 1 {
			t.Errorf("waited %s after a Reset, %d tries, %v", time.Since(began), w.Tries(), err)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the end")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		began := time.Now()
		err := Policy{First: time.Hour, Longest: time.Hour}.Begin().Wait(ctx)
		if err != cause || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}
