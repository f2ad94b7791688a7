package kekcache_test

import (
	"context"
	"encoding/hex"
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

// fakeAudit keeps events in memory.
type fakeAudit struct {
	mu     sync.Mutex
	err    error
	events []kekcache.Event
}

func (a *fakeAudit) Record(e kekcache.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	a.events = append(a.events, e)
	return nil
}

func (a *fakeAudit) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *fakeAudit) all() []kekcache.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.events)
}

// want fails the test unless the events are these, each as "op keks kid why",
// the kid being the number of its first mention.
func (a *fakeAudit) want(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	kids := map[string]int{"": 0}
	for _, e := range a.all() {
		kid := hex.EncodeToString(e.KID)
		if _, ok := kids[kid]; !ok {
			kids[kid] = len(kids)
		}
		if e.Op == kekcache.OpState {
			got = append(got, fmt.Sprintf("state %s %s: %s", strings.Join(e.KEKs, ","), e.State, e.Why))
		} else {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", e.Op, strings.Join(e.KEKs, ","), kids[kid], e.Why)))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("audited:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// balanced fails the test unless each window was opened once and, but for so
// many, closed once, later.
func (a *fakeAudit) balanced(t testing.TB, open int) map[string]int {
	t.Helper()
	there := map[string]bool{}
	why := map[string]int{}
	for _, e := range a.all() {
		kid := string(e.KID)
		was, known := there[kid]
		switch e.Op {
		case kekcache.OpWindowOpened:
			if known {
				t.Errorf("%x was opened twice", kid)
			}
			there[kid] = true
		case kekcache.OpWindowClosed:
			if !was {
				t.Errorf("%x was closed, and was not open", kid)
			}
			there[kid] = false
			why[e.Why]++
		default:
		}
	}
	for _, is := range there {
		if is {
			open--
		}
	}
	if open != 0 {
		t.Errorf("%d more are open than should be", -open)
	}
	return why
}

// TestWindowsAreAudited: each is opened and closed once, and nothing is sealed
// under one that is not in the audit log.
func TestWindowsAreAudited(t *testing.T) {
	for why, window := range map[string]kekcache.Limits{
		"age": {Age: time.Minute}, "messages": {Messages: 10}, "bytes": {Bytes: 100},
	} {
		bothWays(t, func(t *testing.T, start func(*sealing) func()) {
			audit := &fakeAudit{}
			c := newSealing(t, sealingOptions{Wrappers: wrappers(newKEK("a"), newKEK("b")), Limits: window, Audit: audit})
			stop := start(c)
			h := c.Quota()
			used := map[[kekcache.KIDSize]byte]bool{}
			for range 300 {
				kid := take(t, h).Key.KID()
				used[kid] = true
				if !slices.ContainsFunc(audit.all(), func(e kekcache.Event) bool {
					return e.Op == kekcache.OpWindowOpened && string(e.KID) == string(kid[:]) && slices.Equal(e.KEKs, []string{"a", "b"})
				}) {
					t.Fatal("sealed under a key that was not audited")
				}
				time.Sleep(time.Second)
			}
			stop()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			closed := audit.balanced(t, 0)
			if closed["end"] < 1 || closed["end"] > 3 || closed[why] < len(used)-1 || closed[why] < 4 || len(closed) != 2 {
				t.Errorf("%d keys were used; closed: %v", len(used), closed)
			}
		})
	}
}

// TestSealsAreAudited: the format's own limit has a word too.
func TestSealsAreAudited(t *testing.T) {
	audit := &fakeAudit{}
	c := newSealing(t, sealingOptions{Wrappers: wrappers(newKEK("kek")), Audit: audit})
	h := c.Quota()
	for range 5 {
		if _, err := h.Take(t.Context(), 0, 1<<31); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if closed := audit.balanced(t, 0); closed["seals"] != 4 {
		t.Error(closed)
	}
}

func TestFreshIsAudited(t *testing.T) {
	audit := &fakeAudit{}
	c := newSealing(t, sealingOptions{Wrappers: wrappers(newKEK("kek")), Audit: audit})
	g, err := c.StreamKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	audit.want(t, "window-opened kek 1")
	g.Done()
	g.Done()
	audit.want(t, "window-opened kek 1", "window-closed kek 1 end")
	take(t, c.Quota()).Done()
	audit.want(t, "window-opened kek 1", "window-closed kek 1 end", "window-opened kek 2")
}

// TestWhatCannotBeAudited is not done, and is made up for: no event is lost,
// none comes twice, and no key service or store is called in vain.
func TestWhatCannotBeAudited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		stop := run(t, o.c)
		first := take(t, o.h).Key
		o.audit.fail(errors.New("disk full"))
		time.Sleep(o.age * 95 / 100)
		o.state(kekcache.Degraded)
		if take(t, o.h).Key != first {
			t.Error("a new key, and it is not audited")
		}
		calls, puts := o.kek.count(), o.store.puts
		if calls > 3 || puts > 3 {
			t.Errorf("%d keys, %d records", calls, puts)
		}
		time.Sleep(o.age)
		ended := make(chan struct{})
		go func() { key(t, o.h); close(ended) }()
		time.Sleep(o.age)
		o.state(kekcache.Restricted)
		o.waits(1)
		if o.kek.count() != calls || o.store.puts != puts {
			t.Error("keys were made that cannot be audited")
		}
		o.audit.fail(nil)
		<-ended
		stop()
		o.audit.balanced(t, 1)
		if err := o.c.Close(); err != nil {
			t.Error(err)
		}
		if err := o.c.Close(); err != nil {
			t.Error(err)
		}
		o.audit.balanced(t, 0)
		o.logged(3)
	})
}

func TestCloseThatCannotBeAudited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		take(t, o.h)
		full := errors.New("disk full")
		o.audit.fail(full)
		if err := o.c.Close(); !errors.Is(err, full) {
			t.Error(err)
		}
		for name, call := range map[string]func() error{
			"Take":      func() error { _, err := o.h.Take(t.Context(), 1, 1); return err },
			"Prepare":   func() error { return o.c.Prepare(t.Context()) },
			"StreamKey": func() error { _, err := o.c.StreamKey(t.Context()); return err },
			"Reload":    func() error { return o.c.Reload(t.Context(), wrappers(o.kek)) },
		} {
			if err := call(); err == nil {
				t.Errorf("%s after Close", name)
			}
		}
		o.audit.fail(nil)
		if err := o.c.Close(); err != nil {
			t.Error(err)
		}
		o.audit.balanced(t, 0)
	})
}

// TestCloseDuringFetch: whoever waits hears of it, and a key that comes later
// is not used.
func TestCloseDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		audit := &fakeAudit{}
		kek := &deafKEK{newKEK("kek")}
		kek.set(nil, time.Minute)
		c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Audit: audit})
		ended := make(chan error)
		for range 2 {
			go func() { _, err := c.Quota().Take(t.Context(), 1, 1); ended <- err }()
		}
		time.Sleep(time.Second)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, kekcache.ErrClosed) {
				t.Error(err)
			}
		}
		audit.want(t, "window-opened kek 1", "window-closed kek 1 end")
	})
}

// TestUnwrapsAreAudited: each actual unwrap once, each refusal once. A key for
// others is none of our operations.
func TestUnwrapsAreAudited(t *testing.T) {
	audit := &fakeAudit{}
	a, b := newKEK("a"), newKEK("b")
	a.set(a.fault(keys.BadWrap), 0)
	c := newOpening(t, kekcache.OpenKeysOptions{Audit: audit}, a, b)
	m, strange := newMessage(1, "a", "b"), newMessage(2, "a", "x")
	forged := newMessage(1, "a", "b")
	forged.commitment[0] ^= 1
	for range 3 {
		m.opens(t, c)
		strange.refused(t, c, kekcache.ErrUnknownKey)
		forged.refused(t, c, kekcache.ErrWrongKey)
		newMessage(3, "x", "y").refused(t, c, kekcache.ErrUnknownKey)
	}
	audit.want(t, "unwrapped b 1", "unwrap-refused a,b 2 unknown-key")

	audit = &fakeAudit{}
	c = newOpening(t, kekcache.OpenKeysOptions{Audit: audit}, a, b)
	for range 3 {
		forged.refused(t, c, kekcache.ErrWrongKey)
		m.opens(t, c)
	}
	audit.want(t, "unwrapped b 1", "unwrap-refused b 2 wrong-key")
}

// TestUnwrapThatCannotBeAudited is not used before it is, and the KEK is not
// asked again.
func TestUnwrapThatCannotBeAudited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		audit, kek, log := &fakeAudit{}, newKEK("kek"), &logged{}
		c := newOpening(t, kekcache.OpenKeysOptions{Audit: audit, Log: log.logger()}, kek)
		audit.fail(errors.New("disk full"))
		m, strange := newMessage(1, "kek"), newMessage(2, "kek")
		strange.recipients[0].Ciphertext = nil // it unwraps, and is no DEK
		for _, m := range []*message{m, strange} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := m.unwrap(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		time.AfterFunc(time.Hour, func() {
			if s := c.Status(); s.State != kekcache.Restricted || s.Waiting != 1 || s.Cause == nil {
				t.Errorf("%+v", s)
			}
			audit.fail(nil)
		})
		before := kek.count()
		m.opens(t, c)
		if n := kek.count() - before; n != 1 {
			t.Errorf("unwrapped %d times", n)
		}
		strange.refused(t, c, kekcache.ErrUnknownKey)
		audit.want(t, "unwrapped kek 1", "unwrap-refused kek 2 unknown-key")
		log.want(t, "WARN the audit log is away error=audit: disk full", "INFO the audit log is back")
		if s := c.Status(); s != (kekcache.Status{}) {
			t.Errorf("%+v", s)
		}
		if !kek.cleared() {
			t.Error("a DEK was left in memory")
		}
	})
}

// TestRequestsAreAudited: each event has the calls that were made for it.
func TestRequestsAreAudited(t *testing.T) {
	audit, a, b := &fakeAudit{}, newKEK("a"), newKEK("b")
	c := newSealing(t, sealingOptions{Wrappers: wrappers(a, b), Audit: audit})
	take(t, c.Quota())
	o := newOpening(t, kekcache.OpenKeysOptions{Audit: audit}, a, b)
	m := newMessage(1, "a", "b")
	m.opens(t, o)
	m.opens(t, o)
	a.set(a.fault(keys.BadWrap), 0)
	b.set(b.fault(keys.BadWrap), 0)
	newMessage(2, "a", "b").refused(t, o, kekcache.ErrUnknownKey)
	var got []string
	for _, e := range audit.all() {
		got = append(got, fmt.Sprintf("%s %s", e.Op, strings.Join(e.Requests, ",")))
	}
	want := []string{"window-opened a-1,b-1", "unwrapped a-2", "unwrap-refused a-3,b-2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
