package alarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/transform"
)

// recorder is a Sender that fails as told.
type recorder struct {
	mu   sync.Mutex
	got  []string
	fail func() error
}

func (*recorder) Name() string { return "recorder" }

func (r *recorder) Send(ctx context.Context, a Alarm) error {
	r.mu.Lock()
	fail := r.fail
	r.mu.Unlock()
	if fail != nil {
		if err := fail(); err != nil {
			if errors.Is(err, context.Canceled) {
				<-ctx.Done()
			}
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, fmt.Sprintf("%s %s %s %d", a.Kind, a.State(), a.Subject, a.Count))
	return nil
}

// take returns the alarms since the last call.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// auditAway is an error about the audit log.
type auditAway struct{}

func (auditAway) Error() string   { return "audit: no space left" }
func (auditAway) AuditAway() bool { return true }

func begin(r *recorder, w *watch.Route) *Watcher {
	return Start(Options{
		Routes:  func() []Route { return []Route{{"orders", w}, {"raw", nil}} },
		Senders: []Sender{r}, Log: slog.New(slog.DiscardHandler),
	})
}

// TestKinds raises and clears every kind of alarm.
func TestKinds(t *testing.T) {
	key := func(state kekcache.State, cause error) func(*watch.Route) {
		return func(w *watch.Route) {
			w.KeyState(kekcache.StateChange{Side: kekcache.Sealing, Context: "ctx", State: state, Cause: cause})
		}
	}
	park := func(cause error) func(*watch.Route) {
		return func(w *watch.Route) { w.ObservePlace("o/1", 5, cause) }
	}
	stuck := func(cause error) func(*watch.Route) { return func(w *watch.Route) { w.ObserveStuck("o/2", cause) } }
	for name, test := range map[string]struct {
		raise, clear func(*watch.Route)
		want         string
	}{
		"breaker":      {park(&transform.BreakerError{Limit: 10}), park(nil), "breaker raised o/1 1"},
		"parked":       {park(errors.New("malformed")), park(nil), "parked raised o/1 1"},
		"restricted":   {key(kekcache.Restricted, errors.New("away")), key(kekcache.Normal, nil), "restricted raised ctx 1"},
		"stuck":        {stuck(errors.New("a transaction")), stuck(nil), "stuck raised o/2 1"},
		"audit, keys":  {key(kekcache.Degraded, fmt.Errorf("x: %w", auditAway{})), key(kekcache.Normal, nil), "audit-away raised ctx 1"},
		"audit, place": {park(auditAway{}), park(nil), "audit-away raised o/1 1"},
		"replay":       {func(w *watch.Route) { w.Gates.Duplicates.Add(3) }, func(*watch.Route) {}, "replay raised orders 3"},
		"foreign":      {func(w *watch.Route) { w.Gates.Foreign.Add(1) }, func(*watch.Route) {}, "replay raised orders 1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, w := new(recorder), new(watch.Route)
			a := begin(r, w)
			time.Sleep(time.Minute)
			test.raise(w)
			time.Sleep(time.Minute)
			if got := r.take(); !slices.Equal(got, []string{test.want}) {
				t.Errorf("%s: raised %q", name, got)
			}
			test.clear(w)
			time.Sleep(calm)
			if got, want := r.take(), strings.Replace(test.want, "raised", "cleared", 1); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: cleared %q", name, got)
			}
			a.Close()
			if got := r.take(); len(got) > 0 {
				t.Errorf("%s: at the end %q", name, got)
			}
		})
	}
}

// TestQuiet: keys that are degraded raise nothing, and of some parked places
// only the name is known.
func TestQuiet(t *testing.T) {
	var w watch.Route
	w.KeyState(kekcache.StateChange{State: kekcache.Degraded, Cause: errors.New("away")})
	if found := lookAt(&w); len(found) != 0 {
		t.Errorf("%v", found)
	}
	for i := range watch.MaxPlaces {
		w.SetLag(fmt.Sprint("a", i), 1)
	}
	w.ObservePlace("z", 1, errors.New("malformed"))
	if found := lookAt(&w); found[Parked] != (finding{1, "z", "the place is parked"}) {
		t.Errorf("%v", found)
	}
}

// TestRate: a cause that comes and goes is told of once in five minutes, and
// one that is there at the end is told of before the process ends.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := new(recorder), new(watch.Route)
		a := begin(r, w)
		for range 120 { // ten minutes
			w.ObserveStuck("x", errors.New("y"))
			time.Sleep(2500 * time.Millisecond)
			w.ObserveStuck("x", nil)
			time.Sleep(2500 * time.Millisecond)
		}
		if got := r.take(); len(got) != 4 {
			t.Errorf("%q", got)
		}
		w.ObservePlace("o", 1, errors.New("malformed"))
		a.Close()
		if got := r.take(); !slices.Equal(got, []string{"parked raised o 1"}) {
			t.Errorf("at the end: %q", got)
		}
	})
}

// TestTriesAgain: a receiver that is away is asked again, one that refuses is
// not, and neither holds up the end for more than a few seconds.
func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(watch.Route)
		var tries atomic.Int64
		r := &recorder{fail: func() error {
			if tries.Add(1) < 5 {
				return errors.New("away")
			}
			return nil
		}}
		a := begin(r, w)
		w.ObservePlace("o", 1, errors.New("malformed"))
		time.Sleep(2 * time.Minute)
		if got := r.take(); len(got) != 1 || tries.Load() != 5 {
			t.Errorf("%q after %d tries", got, tries.Load())
		}
		r.mu.Lock()
		r.fail = func() error { tries.Add(1); return fmt.Errorf("%w: 404", errFinal) }
		r.mu.Unlock()
		w.ObserveStuck("o", errors.New("y"))
		time.Sleep(5 * time.Minute)
		if n := tries.Load(); n != 6 {
			t.Errorf("%d tries of an alarm that is refused", n-5)
		}
		a.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		w := new(watch.Route)
		a := begin(&recorder{fail: func() error { return context.Canceled }}, w) // hangs
		w.ObservePlace("o", 1, errors.New("malformed"))
		time.Sleep(3 * time.Second)
		began := time.Now()
		a.Close()
		if took := time.Since(began); took > closing {
			t.Errorf("the end took %v", took)
		}
	})
}

// TestQueueIsBounded: alarms that nobody takes are dropped and said so.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(&recorder{fail: func() error { return context.Canceled }}, slog.New(slog.DiscardHandler))
		lost := 0
		for range 2 * queueLength {
			if q.put(Alarm{Kind: Parked}) {
				lost++
			}
			synctest.Wait()
		}
		if lost != queueLength-1 {
			t.Errorf("%d lost", lost)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		q.finish(ctx)
	})
}

// TestRouteGoes: the alarms of a route that is taken away are cleared.
func TestRouteGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := new(recorder), new(watch.Route)
		var gone atomic.Bool
		a := Start(Options{Senders: []Sender{r}, Log: slog.New(slog.DiscardHandler), Routes: func() []Route {
			if gone.Load() {
				return nil
			}
			return []Route{{"orders", w}}
		}})
		w.ObservePlace("o", 1, errors.New("malformed"))
		w.Gates.Duplicates.Add(1)
		time.Sleep(time.Minute)
		gone.Store(true)
		time.Sleep(time.Minute)
		got := r.take()
		slices.Sort(got)
		if !slices.Equal(got, []string{"parked cleared o 1", "parked raised o 1", "replay cleared orders 1", "replay raised orders 1"}) {
			t.Errorf("%q", got)
		}
		a.Close()
		if len(a.states) != 0 || len(a.replay) != 0 {
			t.Error("the route is not forgotten")
		}
	})
}

// TestReplayAfterReopening: the figures of a route that is opened again begin
// anew, and its replays go on where they were.
func TestReplayAfterReopening(t *testing.T) {
	for name, again := range map[string]int64{"fewer": 3, "as many": 40} {
		synctest.Test(t, func(t *testing.T) {
			r := new(recorder)
			var now atomic.Pointer[watch.Route]
			reopen := func(duplicates int64) {
				w := new(watch.Route)
				w.Gates.Duplicates.Add(duplicates)
				now.Store(w)
			}
			reopen(40)
			a := Start(Options{Senders: []Sender{r}, Log: slog.New(slog.DiscardHandler), Routes: func() []Route {
				return []Route{{"orders", now.Load()}}
			}})
			time.Sleep(calm / 2)
			reopen(again)
			time.Sleep(calm - time.Minute)
			if got := r.take(); !slices.Equal(got, []string{"replay raised orders 40"}) {
				t.Errorf("%s: while messages come again: %q", name, got)
			}
			time.Sleep(2 * time.Minute)
			if got := r.take(); !slices.Equal(got, []string{"replay cleared orders 40"}) {
				t.Errorf("%s: when none does: %q", name, got)
			}
			a.Close()
		})
	}
}
