package guard_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

var errCause = errors.New("cause")

func fault(class keys.Class) error {
	return &keys.Error{Class: class, Key: "kms:k", Op: "unwrap", Err: errCause}
}

// service is what a guard stands around.
type service struct {
	mu    sync.Mutex
	err   error         // of each call
	takes time.Duration // each call
	calls int
}

func (s *service) call(ctx context.Context) error {
	s.mu.Lock()
	s.calls++
	err, takes := s.err, s.takes
	s.mu.Unlock()
	select {
	case <-time.After(takes):
		return err
	case <-ctx.Done():
		return &keys.Error{Class: keys.Away, Key: "kms:k", Op: "unwrap", Err: ctx.Err()}
	}
}

func (s *service) set(err error, takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.takes = err, takes
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func newGuard(t *testing.T, o guard.Options) *guard.Guard {
	t.Helper()
	o.Name = "kms:k"
	g, err := guard.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// class is the class of an error that must be a *keys.Error which names the
// key.
func class(t *testing.T, err error) keys.Class {
	t.Helper()
	var e *keys.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, not a *keys.Error", err)
	}
	if e.Key != "kms:k" || e.Op != "unwrap" {
		t.Errorf("key %q, op %q in %v", e.Key, e.Op, err)
	}
	return e.Class
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]guard.Options{
		"no name":          {},
		"negative timeout": {Name: "k", Timeout: -1},
		"negative rate":    {Name: "k", Rate: -1},
		"negative burst":   {Name: "k", Burst: -1},
	} {
		if _, err := guard.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestErrorsAndSuccessPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Options{})
		for _, want := range []error{nil, fault(keys.BadWrap), fault(keys.Gone), fault(keys.Away)} {
			s := &service{err: want}
			if err := g.Do(t.Context(), "unwrap", "k", s.call); err != want {
				t.Errorf("got %v, want %v", err, want)
			}
			if s.count() != 1 {
				t.Errorf("%d calls", s.count())
			}
		}
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Options{})
		s := &service{takes: time.Hour}
		start := time.Now()
		err := g.Do(t.Context(), "unwrap", "k", s.call)
		if class(t, err) != keys.Away || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

// Five calls in a row open the breaker; what the service answered in between
// starts the count anew.
func TestBreakerOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Options{})
		s := &service{}
		do := func(err error) error {
			s.set(err, 0)
			return g.Do(t.Context(), "unwrap", "k", s.call)
		}
		for _, answer := range []error{nil, fault(keys.BadWrap), fault(keys.Gone)} {
			for range 4 {
				_ = do(fault(keys.Away))
			}
			_ = do(answer)
		}
		for range 20 {
			_ = do(fault(keys.Gone))
		}
		if g.State() != guard.Closed || s.count() != 35 {
			t.Fatalf("%s after %d calls", g.State(), s.count())
		}
		for range 5 {
			if err := do(fault(keys.Away)); errors.Is(err, guard.ErrOpen) {
				t.Fatal(err)
			}
		}
		if g.State() != guard.Open {
			t.Fatalf("%s after five", g.State())
		}
		if err := do(nil); class(t, err) != keys.Away || !errors.Is(err, guard.ErrOpen) || s.count() != 40 {
			t.Errorf("got %v, %d calls", err, s.count())
		}
	})
}

func open(t *testing.T, g *guard.Guard, s *service) {
	t.Helper()
	s.set(fault(keys.Away), 0)
	for range 5 {
		_ = g.Do(t.Context(), "unwrap", "k", s.call)
	}
	if g.State() != guard.Open {
		t.Fatalf("%s after five", g.State())
	}
}

// After a second one call tries. Those that come while it does go on if it
// finds the service, and are refused if not.
func TestHalfOpen(t *testing.T) {
	for name, back := range map[string]bool{"back": true, "still away": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, s := newGuard(t, guard.Options{}), &service{}
				open(t, g, s)
				time.Sleep(time.Second + 1)
				if g.State() != guard.HalfOpen {
					t.Fatalf("%s after a second", g.State())
				}
				want := map[bool]error{true: nil, false: fault(keys.Away)}[back]
				s.set(want, time.Second)
				before := s.count()
				var succeeded, refused atomic.Int32
				var all sync.WaitGroup
				for range 10 {
					all.Go(func() {
						switch err := g.Do(t.Context(), "unwrap", "k", s.call); {
						case err == nil:
							succeeded.Add(1)
						case errors.Is(err, guard.ErrOpen):
							refused.Add(1)
						}
					})
				}
				time.Sleep(time.Second / 2)
				if n := s.count() - before; n != 1 {
					t.Errorf("%d calls try", n)
				}
				start := time.Now()
				all.Wait()
				if back && (succeeded.Load() != 10 || g.State() != guard.Closed) {
					t.Errorf("%d of 10 succeed, the breaker is %s", succeeded.Load(), g.State())
				}
				if took := time.Since(start); back && took > 2*time.Second {
					t.Errorf("those that waited go one by one: %s", took)
				}
				if !back && (refused.Load() != 9 || g.State() != guard.Open) {
					t.Errorf("%d of 9 are refused, the breaker is %s", refused.Load(), g.State())
				}
			})
		})
	}
}

// A caller that gives up says nothing about the service, neither while it is
// used nor while it is tried.
func TestAbandonedCallsAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := newGuard(t, guard.Options{}), &service{takes: time.Second}
		abandon := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if err := g.Do(ctx, "unwrap", "k", s.call); class(t, err) != keys.Away || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		for range 10 {
			abandon()
		}
		if g.State() != guard.Closed {
			t.Fatalf("%s", g.State())
		}
		open(t, g, s)
		time.Sleep(time.Second + 1)
		s.set(nil, time.Second)
		abandon()
		if err := g.Do(t.Context(), "unwrap", "k", s.call); err != nil || g.State() != guard.Closed {
			t.Errorf("%v, %s", err, g.State())
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := newGuard(t, guard.Options{}), &service{}
		start := time.Now()
		for range 200 {
			if err := g.Do(t.Context(), "unwrap", "k", s.call); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("200 calls, of which 100 at once, took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := g.Do(ctx, "unwrap", "k", s.call); class(t, err) != keys.Away || s.count() != 200 {
			t.Errorf("waiting for a token: %v, %d calls", err, s.count())
		}
	})
}

func TestUnknownKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := newGuard(t, guard.Options{}), &service{}
		unknown := &keys.Error{Class: keys.Gone, Key: "kms:k", Op: "unwrap", Err: guard.Unknown(errCause)}
		do := func(key string, err error) error {
			s.set(err, 0)
			return g.Do(t.Context(), "unwrap", key, s.call)
		}
		expect := func(key string, want keys.Class) {
			t.Helper()
			err := do(key, unknown)
			if got := class(t, err); got != want || !errors.Is(err, errCause) {
				t.Errorf("%v is %s, want %s", err, got, want)
			}
		}
		expect("k", keys.Gone) // never used: a wrong name
		if err := do("k", nil); err != nil {
			t.Fatal(err)
		}
		expect("k", keys.Away)
		expect("other", keys.Gone) // each key for itself
		time.Sleep(29 * time.Second)
		expect("k", keys.Away)
		_ = do("k", fault(keys.Away)) // says nothing about the key
		time.Sleep(time.Second)
		expect("k", keys.Gone)
		_ = do("k", fault(keys.BadWrap)) // the service knows it again
		expect("k", keys.Away)
		time.Sleep(29 * time.Second)
		for range 20 {
			expect("k", keys.Away) // and not one of these opens the breaker: the service answered
		}
	})
}

// The states of kekcache's waits and the breaker's together: a caller that
// tries again after 0.9 to 1.8 s is served within 5 s of the service's return,
// whenever that is, although the last try before it failed after the timeout.
// That there are others who keep the breaker busy makes no difference.
func TestBackWithinOneProbeInterval(t *testing.T) {
	for _, callers := range []int{1, 8} {
		for phase := time.Duration(0); phase < 5*time.Second; phase += 100 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				if took := backAfter(t, callers, 20*time.Second+phase); took <= 0 || took > 5*time.Second {
					t.Errorf("%d callers, phase %s: all are served after %s", callers, phase, took)
				}
			})
		}
	}
}

// backAfter is how long the last of the callers must wait for a service that
// hangs for so long, and then does not.
func backAfter(t *testing.T, callers int, outage time.Duration) time.Duration {
	t.Helper()
	g, s := newGuard(t, guard.Options{}), &service{}
	open(t, g, s)
	s.set(nil, time.Hour) // hangs
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var last atomic.Int64
	returned := time.Now().Add(outage)
	for i := range callers {
		rnd := rand.New(rand.NewPCG(uint64(i), uint64(outage)))
		all.Go(func() {
			time.Sleep(time.Duration(i) * 311 * time.Millisecond)
			for ctx.Err() == nil {
				if g.Do(ctx, "unwrap", "k", s.call) == nil {
					last.Store(max(last.Load(), int64(time.Since(returned))))
					return
				}
				time.Sleep(900*time.Millisecond + time.Duration(rnd.Int64N(int64(900*time.Millisecond))))
			}
		})
	}
	time.Sleep(time.Until(returned))
	s.set(nil, 10*time.Millisecond)
	time.Sleep(10 * time.Second)
	cancel()
	all.Wait()
	return time.Duration(last.Load())
}
