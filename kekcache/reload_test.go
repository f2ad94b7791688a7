package kekcache_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestReload: from when it returns nothing is sealed for the KEKs before it,
// and nobody has waited.
func TestReload(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(*sealing) func()) {
		audit, a, b := &fakeAudit{}, newKEK("a"), newKEK("b")
		c := newSealing(t, sealingOptions{Wrappers: wrappers(a), Limits: kekcache.Limits{Messages: 1000}, Audit: audit})
		stop := start(c)
		idle, busy := c.Quota(), c.Quota()
		take(t, idle)
		for range 900 { // the next one has been fetched
			take(t, busy)
		}
		synctest.Wait()
		b.set(nil, time.Second)
		list := wrappers(b)
		if err := c.Reload(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		list[0] = a // ours no more
		waits := c.Status().Waits
		for _, h := range []*kekcache.Quota{idle, busy, c.Quota()} {
			if got := names(take(t, h).Key.Recipients); !slices.Equal(got, []string{"b"}) {
				t.Errorf("sealed for %q", got)
			}
		}
		if c.Status().Waits != waits {
			t.Error("somebody waited")
		}
		for range 3000 {
			if got := names(take(t, busy).Key.Recipients); !slices.Equal(got, []string{"b"}) {
				t.Fatalf("later sealed for %q", got)
			}
		}
		g, err := c.StreamKey(t.Context())
		if err != nil || !slices.Equal(names(g.Key.Recipients), []string{"b"}) {
			t.Fatalf("a fresh one for others, or %v", err)
		}
		g.Done()
		stop()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if closed := audit.balanced(t, 0); closed["reload"] != 2 {
			t.Error(closed)
		}
	})
}

// TestReloadThatFails changes nothing.
func TestReloadThatFails(t *testing.T) {
	a, b := newKEK("a"), newKEK("b")
	c := newSealing(t, sealingOptions{Wrappers: wrappers(a)})
	h := c.Quota()
	first := take(t, h).Key
	b.gone()
	for name, list := range map[string][]keys.Wrapper{
		"no key": nil, "17 keys": slices.Repeat(wrappers(b), 17), "a nil key": {nil}, "gone": wrappers(a, b),
	} {
		if err := c.Reload(t.Context(), list); err == nil {
			t.Errorf("%s was taken", name)
		}
		if take(t, h).Key != first || c.Status().State != kekcache.Normal {
			t.Errorf("%s changed something", name)
		}
	}
}

// TestReloadEndsAnOutage: who waits for a KEK that is gone goes on with another
// one, at once.
func TestReloadEndsAnOutage(t *testing.T) {
	for name, begin := range map[string]func(*fakeKEK){
		"gone": (*fakeKEK).gone, "hung": func(k *fakeKEK) { k.set(nil, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t)
				defer run(t, o.c)()
				take(t, o.h)
				begin(o.kek)
				time.Sleep(o.age)
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if k := key(t, o.c.Quota()); k == nil || names(k.Recipients)[0] != "b" {
							t.Error("not the new KEK")
						}
					})
				}
				time.Sleep(o.age)
				before := time.Now()
				if err := o.c.Reload(t.Context(), wrappers(newKEK("b"))); err != nil {
					t.Fatal(err)
				}
				wg.Wait()
				if waited := time.Since(before); waited > 0 {
					t.Errorf("waited %s", waited)
				}
				o.state(kekcache.Normal)
				synctest.Wait()
				if n := o.kek.underWay(); n != 0 {
					t.Errorf("%d calls of the old one go on", n)
				}
			})
		})
	}
}

// TestReloadUnderWay: however holders and reloads meet, limits hold, and each
// key is wrapped for one set only.
func TestReloadUnderWay(t *testing.T) {
	audit, a, b := &fakeAudit{}, newKEK("a"), newKEK("b")
	window := kekcache.Limits{Messages: 100}
	c := newSealing(t, sealingOptions{Wrappers: wrappers(a), Limits: window, Audit: audit})
	stop := run(t, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			list := [][]keys.Wrapper{wrappers(b), wrappers(a, b)}[i%2]
			if err := c.Reload(t.Context(), list); err != nil {
				t.Error(err)
			}
		}
	}()
	checkLimits(t, takeMany(t, c, 4, 5000, func(int) uint64 { return 1 }), window)
	<-done
	if got := names(take(t, c.Quota()).Key.Recipients); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("sealed for %q", got)
	}
	stop()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	audit.balanced(t, 0)
}

// rotated is a service whose alias points to another KEK after a while.
type rotated struct {
	*fakeKEK
	mu  sync.Mutex
	kid string
}

func (r *rotated) Generate(ctx context.Context, _ keys.Context, dst []byte) ([]byte, keys.Wrapped, error) {
	if err := r.call(ctx); err != nil {
		return nil, keys.Wrapped{}, err
	}
	dek := make([]byte, chunker.KeySize)
	rand.Read(dek)
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(dst, dek...), keys.Wrapped{KID: []byte(r.kid), Ciphertext: flip(nil, dek)}, nil
}

// TestAliasMoves: another KEK behind the alias is taken up at the window's end,
// without a reload, and what was sealed before can still be opened.
func TestAliasMoves(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(*sealing) func()) {
		alias := &rotated{fakeKEK: newKEK("alias"), kid: "old"}
		c := newSealing(t, sealingOptions{Wrappers: wrappers(alias), Limits: kekcache.Limits{Age: time.Minute}})
		defer start(c)()
		h := c.Quota()
		first := take(t, h).Key
		alias.mu.Lock()
		alias.kid = "new"
		alias.mu.Unlock()
		time.Sleep(30 * time.Second)
		if take(t, h).Key != first {
			t.Error("the window ended early")
		}
		time.Sleep(30 * time.Second)
		second := take(t, h).Key
		if !slices.Equal(names(second.Recipients), []string{"new"}) {
			t.Errorf("sealed for %q", names(second.Recipients))
		}
		opening := newOpening(t, kekcache.OpenKeysOptions{}, newKEK("new"), newKEK("old"))
		for _, k := range []*kekcache.Key{first, second} {
			if _, err := opening.Unwrap(t.Context(), "", &kekcache.Sealed{Commitment: k.Commitment[:], Recipients: encode(k.Recipients)}); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestOpeningReload: what a removed KEK has unwrapped is not used any longer,
// and what was refused is tried again.
func TestOpeningReload(t *testing.T) {
	a, b := newKEK("a"), newKEK("b")
	c := newOpening(t, kekcache.OpenKeysOptions{}, a)
	mine, other := newMessage(1, "a"), newMessage(2, "b")
	mine.opens(t, c)
	other.refused(t, c, kekcache.ErrUnknownKey)
	key, err := mine.unwrap(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(nil); err == nil || !c.IsLive(key, 0) {
		t.Error("no key was taken")
	}
	if err := c.Reload([]keys.Unwrapper{b}); err != nil {
		t.Fatal(err)
	}
	if c.IsLive(key, 0) {
		t.Error("a key of a KEK that was removed is still used")
	}
	mine.refused(t, c, kekcache.ErrUnknownKey)
	other.opens(t, c)
	if err := c.Reload([]keys.Unwrapper{b, a}); err != nil {
		t.Fatal(err)
	}
	mine.opens(t, c)
	other.opens(t, c)
	if a.count() != 2 || b.count() != 2 {
		t.Errorf("a unwrapped %d times, b %d times", a.count(), b.count())
	}
}

// TestOpeningReloadUnderWay: a load that waits for a KEK which is removed
// begins again, and what it had unwrapped is not kept.
func TestOpeningReloadUnderWay(t *testing.T) {
	for name, test := range map[string]struct {
		begin func(*fakeKEK)
		deaf  bool
	}{
		"away": {(*fakeKEK).away, false},
		"hung": {func(k *fakeKEK) { k.set(nil, time.Hour) }, false},
		"deaf": {func(k *fakeKEK) { k.set(nil, time.Second) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newKEK("a"), newKEK("b")
				test.begin(a)
				var first keys.Unwrapper = a
				if test.deaf {
					first = &deafUnwrapper{a}
				}
				c, err := kekcache.NewOpenKeys(kekcache.OpenKeysOptions{Unwrappers: []keys.Unwrapper{first}, Codec: fakeCodec{}})
				if err != nil {
					t.Fatal(err)
				}
				both, only := newMessage(1, "a", "b"), newMessage(2, "a")
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if _, err := both.unwrap(t.Context(), c); err != nil {
							t.Error(err)
						}
					})
					wg.Go(func() {
						if _, err := only.unwrap(t.Context(), c); !errors.Is(err, kekcache.ErrUnknownKey) {
							t.Error(err)
						}
					})
				}
				time.Sleep(500 * time.Millisecond)
				if err := c.Reload([]keys.Unwrapper{b}); err != nil {
					t.Fatal(err)
				}
				wg.Wait()
				if b.count() != 1 {
					t.Errorf("b unwrapped %d times", b.count())
				}
				if s := c.Status(); s != (kekcache.Status{}) {
					t.Errorf("%+v", s)
				}
				if !a.cleared() {
					t.Error("a DEK was left in memory")
				}
			})
		})
	}
}

type deafUnwrapper struct{ *fakeKEK }

func (k *deafUnwrapper) Unwrap(ctx context.Context, kc keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	return k.fakeKEK.Unwrap(context.WithoutCancel(ctx), kc, dst, w)
}

// TestEightWorkers counts calls of a service that generates: one for each
// window, one for each wrapped DEK.
func TestEightWorkers(t *testing.T) {
	const workers, windows, size = 8, 20, 400
	service := &rotated{fakeKEK: newKEK("kek"), kid: "kek"}
	c := newSealing(t, sealingOptions{Wrappers: wrappers(service), Limits: kekcache.Limits{Messages: size}})
	all := takeMany(t, c, workers, windows*size/workers, func(int) uint64 { return 1 })
	if n := service.count(); n < len(all) || n > len(all)+1 || len(all) > windows+1 {
		t.Errorf("%d calls for %d keys of %d windows", n, len(all), windows)
	}
	kek := newKEK("kek")
	opening := newOpening(t, kekcache.OpenKeysOptions{}, kek)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range 10 {
				for k := range all {
					_, err := opening.Unwrap(t.Context(), "", &kekcache.Sealed{Commitment: k.Commitment[:], Recipients: encode(k.Recipients)})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if kek.count() != len(all) {
		t.Errorf("%d calls for %d wrapped keys", kek.count(), len(all))
	}
}
