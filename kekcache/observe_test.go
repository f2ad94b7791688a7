package kekcache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// witness keeps all that an Observer is told, one line each.
type witness struct {
	mu                   sync.Mutex
	states, events, said []string
	took                 time.Duration // the last call
	closed               kekcache.KeyEvent
}

func (w *witness) KeyState(s kekcache.StateChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states = append(w.states, fmt.Sprintf("%s %s %s %v", s.Side, s.Context, s.State, s.Cause))
}

func (w *witness) KeyEvent(e kekcache.KeyEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", e.Side, e.Context, e.Op, strings.Join(e.KEKs, ","), e.Why)))
	if e.Op == kekcache.OpWindowClosed {
		w.closed = e
	}
}

func (w *witness) KeyCall(c kekcache.KeyCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", c.Side, c.Context, c.Op, c.Outcome, c.Key)))
	w.took = c.Took
}

// want fails the test unless the lines are these, and forgets them.
func (w *witness) want(t *testing.T, kind string, lines *[]string, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(*lines, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", kind, strings.Join(*lines, "\n"), strings.Join(want, "\n"))
	}
	*lines = nil
}

// TestSealingIsObserved through an outage.
func TestSealingIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		s := newSet(t, kekcache.SealKeysOptions{Limits: kekcache.Limits{Age: time.Minute, Messages: 1000}, Observer: w})
		kek, store := newKEK("kek"), newStore()
		kek.set(nil, time.Second)
		supply, err := s.Supply(kekcache.Purpose{KEKs: newKEKs(t, kek), Context: keys.Context{Name: "orders"}, Store: store})
		if err != nil {
			t.Fatal(err)
		}
		q := supply.NewQuota()
		for range 10 {
			if _, err := q.Take(t.Context(), 100, 1); err != nil {
				t.Fatal(err)
			}
		}
		w.want(t, "events", &w.events, "sealing orders window-opened kek")
		w.want(t, "calls", &w.said, "sealing orders wrap ok kek", "sealing orders put ok")
		w.want(t, "states", &w.states)

		time.Sleep(time.Minute)
		kek.away()
		time.AfterFunc(10*time.Second, kek.gone)
		time.AfterFunc(20*time.Second, func() { kek.fine(); store.fail(errors.New("disk full")) })
		time.AfterFunc(30*time.Second, func() { store.fail(nil) })
		take(t, q)
		w.mu.Lock()
		for _, want := range []string{"wrap away kek", "wrap gone kek", "wrap ok kek", "put unknown", "put ok"} {
			if !slices.Contains(w.said, "sealing orders "+want) {
				t.Errorf("no %q in %q", want, w.said)
			}
		}
		w.said = nil
		w.mu.Unlock()
		w.want(t, "states", &w.states, "sealing orders restricted kek: test: away",
			"sealing orders restricted key record: disk full", "sealing orders normal <nil>")
		w.want(t, "events", &w.events, "sealing orders window-opened kek", "sealing orders window-closed kek age")
		if c := w.closed; c.Messages < 10 || c.Messages > 20 || c.Bytes < 1000 || c.Age < time.Minute || c.Age > 2*time.Minute {
			t.Errorf("closed: %+v", c)
		}

		g, err := supply.StreamKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		g.Done()
		w.want(t, "events", &w.events, "sealing orders window-opened kek", "sealing orders window-closed kek end")
		if w.closed.Age != time.Hour || w.closed.Messages != 0 {
			t.Errorf("a stream: %+v", w.closed)
		}
	})
}

// TestCallsAreTimed, and one whose caller gives up says so.
func TestCallsAreTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		s := newSet(t, kekcache.SealKeysOptions{Observer: w})
		kek, generator := newKEK("kek"), &fakeGenerator{newKEK("generator"), make([]byte, 32)}
		kek.set(nil, 3*time.Second)
		supply := s.open(newKEKs(t, generator, kek), "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := supply.Prepare(ctx); err == nil {
			t.Error("prepared")
		}
		w.want(t, "calls", &w.said, "sealing  generate ok generator", "sealing  wrap given-up kek")
		if w.took != time.Second {
			t.Errorf("took %s", w.took)
		}
		kek.set(kek.fault(keys.BadWrap), 0)
		if err := supply.Prepare(t.Context()); err == nil {
			t.Error("prepared")
		}
		w.want(t, "calls", &w.said, "sealing  generate ok generator", "sealing  wrap bad-wrap kek")
	})
}

// TestOpeningIsObserved: each state once, however many call.
func TestOpeningIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, b := &witness{}, newKEK("a"), newKEK("b")
		c := newOpening(t, kekcache.OpenKeysOptions{Context: keys.Context{Name: "orders"}, Observer: w}, a, b)
		m, forged := newMessage(1, "b"), newMessage(1, "b")
		forged.commitment[0] ^= 1
		for range 3 {
			forged.refused(t, c, kekcache.ErrWrongKey)
			m.opens(t, c)
			newMessage(2, "x").refused(t, c, kekcache.ErrUnknownKey)
		}
		w.want(t, "events", &w.events, "opening orders unwrapped b", "opening orders unwrap-refused b wrong-key")
		w.want(t, "calls", &w.said, "opening orders unwrap ok b")
		w.want(t, "states", &w.states)
		a.away()
		newMessage(3, "a", "b").opens(t, c)
		for range 5 {
			go func() { _, _ = newMessage(4, "a").unwrap(t.Context(), c) }()
		}
		time.Sleep(time.Minute)
		a.fine()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.want(t, "states", &w.states, "opening orders degraded a: test: away", "opening orders restricted a: test: away",
			"opening orders normal <nil>")
	})
}

// TestSealingCauseIsObserved: the Observer learns of another cause of the same
// State, and of each once, however many tries fail.
func TestSealingCauseIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		s := newSet(t, kekcache.SealKeysOptions{Limits: kekcache.Limits{Age: time.Minute, Messages: 1000}, Observer: w})
		kek := newKEK("kek")
		supply := s.open(newKEKs(t, kek), "")
		q := supply.NewQuota()
		take(t, q)
		time.Sleep(time.Minute)
		kek.away()
		time.AfterFunc(time.Minute, func() { kek.fine(); s.audit.fail(errors.New("disk full")) })
		time.AfterFunc(2*time.Minute, func() { kek.away(); s.audit.fail(nil) })
		time.AfterFunc(3*time.Minute, kek.fine)
		take(t, q)
		w.want(t, "states", &w.states, "sealing  restricted kek: test: away", "sealing  restricted audit: disk full",
			"sealing  restricted kek: test: away", "sealing  normal <nil>")
	})
}

// TestOpeningCauseIsObserved: of several that are away the audit log is named,
// and never one that is back.
func TestOpeningCauseIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, audit, a, b := &witness{}, &fakeAudit{}, newKEK("a"), newKEK("b")
		c := newOpening(t, kekcache.OpenKeysOptions{Context: keys.Context{Name: "orders"}, Observer: w, Audit: audit}, a, b)
		open := func(number byte, kek string) {
			go func() { _, _ = newMessage(number, kek).unwrap(t.Context(), c) }()
		}
		a.away()
		open(1, "a")
		time.Sleep(time.Minute)
		w.want(t, "states", &w.states, "opening orders degraded a: test: away", "opening orders restricted a: test: away")
		audit.fail(errors.New("disk full"))
		open(2, "b")
		time.Sleep(time.Minute)
		w.want(t, "states", &w.states, "opening orders restricted audit: disk full")
		b.away()
		open(3, "b")
		time.Sleep(time.Minute)
		w.want(t, "states", &w.states)
		audit.fail(nil)
		time.Sleep(time.Minute)
		w.want(t, "states", &w.states, "opening orders restricted b: test: away")
		b.fine()
		time.Sleep(time.Minute)
		w.want(t, "states", &w.states, "opening orders restricted a: test: away")
		if s := c.Status(); s.Cause == nil || s.Cause.Error() != "a: test: away" {
			t.Errorf("%+v", s)
		}
		a.fine()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.want(t, "states", &w.states, "opening orders normal <nil>")
	})
}

// TestStoreIsObserved: a key store that is read for opening.
func TestStoreIsObserved(t *testing.T) {
	w, store := &witness{}, newStore()
	c := newOpening(t, kekcache.OpenKeysOptions{Store: store, Observer: w}, newKEK("a"))
	if _, err := c.Lookup(t.Context(), "", newMessage(1, "a").kid(), 0); !errors.Is(err, kekcache.ErrUnknownKey) {
		t.Error(err)
	}
	w.want(t, "calls", &w.said, "opening  get ok")
}

func TestRewrappingIsObserved(t *testing.T) {
	w, store := &witness{}, newStore()
	old, a := newMover("old"), newMover("a")
	o := kekcache.RewrapKeysOptions{
		From: []keys.Unwrapper{old}, To: []keys.Wrapper{a}, Context: keys.Context{Name: "orders"}, Observer: w, Store: store,
	}
	m := newMessage(1, "old")
	if _, err := m.rewrap(t.Context(), newRewrapping(t, o)); err != nil {
		t.Fatal(err)
	}
	w.want(t, "events", &w.events, "rewrapping orders rewrapped old,a inside the key service; the kid is claimed, not verified")
	w.want(t, "calls", &w.said, "rewrapping orders rewrap ok a")
	o.To = []keys.Wrapper{newKEK("b")}
	store.records[[kekcache.KIDSize]byte(m.kid())] = [][]byte{m.record(t)}
	if _, _, err := newRewrapping(t, o).RewrapRecord(t.Context(), "", m.kid()); err != nil {
		t.Fatal(err)
	}
	w.want(t, "events", &w.events, "rewrapping orders rewrapped old,b unwrapped in this process")
	w.want(t, "calls", &w.said, "rewrapping orders get ok", "rewrapping orders unwrap ok old", "rewrapping orders wrap ok b", "rewrapping orders put ok")
}

// TestObserverCostsNothing: an Observer is not told of messages, and sealing
// one allocates nothing with it.
func TestObserverCostsNothing(t *testing.T) {
	w := &witness{}
	s := newSet(t, kekcache.SealKeysOptions{Observer: w})
	q := s.open(newKEKs(t, newKEK("kek")), "").NewQuota()
	ctx := context.Background()
	if n := testing.AllocsPerRun(5000, func() { _, _ = q.Take(ctx, 1000, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(w.events) != 1 || len(w.said) != 1 {
		t.Errorf("told of %q, %q", w.events, w.said)
	}
}
