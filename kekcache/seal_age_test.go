package kekcache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// bothWays runs a test in a bubble of its own, without Run and with it.
func bothWays(t *testing.T, test func(t *testing.T, start func(*sealing) (stop func()))) {
	t.Run("without Run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(*sealing) func() { return func() {} })
		})
	})
	t.Run("with Run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(c *sealing) func() { return run(t, c) })
		})
	})
}

// TestNoKeyIsUsedPastItsAge: the age counts from before the key service was
// asked, however long that took.
func TestNoKeyIsUsedPastItsAge(t *testing.T) {
	for _, takes := range []time.Duration{0, 10 * time.Second, 50 * time.Second} {
		bothWays(t, func(t *testing.T, start func(*sealing) func()) {
			kek := newKEK("kek")
			kek.set(nil, takes)
			c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: time.Minute}})
			defer start(c)()
			h := c.Quota()
			all := map[*kekcache.Key]bool{}
			for begin := time.Now(); time.Since(begin) < 10*time.Minute; time.Sleep(70 * time.Millisecond) {
				key := take(t, h).Key
				all[key] = true
				if age := kek.age(key); age >= time.Minute {
					t.Fatalf("a key of %s", age)
				}
			}
			if len(all) < 10 {
				t.Errorf("%d keys in ten minutes", len(all))
			}
		})
	}
}

// TestSupersededWindow: a holder that did not use up its block does not use it
// under a key past its age, though another holder has ended the window long
// before.
func TestSupersededWindow(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(*sealing) func()) {
		kek := newKEK("kek")
		c := newSealing(t, sealingOptions{
			Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: time.Minute, Messages: 10_000},
		})
		defer start(c)()
		idle, busy := c.Quota(), c.Quota()
		first := take(t, idle).Key
		for take(t, busy).Key == first {
			continue
		}
		time.Sleep(time.Minute)
		if age := kek.age(take(t, idle).Key); age >= time.Minute {
			t.Errorf("a key of %s", age)
		}
	})
}

// TestKeyAfterLongSilence: what was fetched ahead has an age too.
func TestKeyAfterLongSilence(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(*sealing) func()) {
		kek := newKEK("kek")
		c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: time.Minute}})
		defer start(c)()
		h := c.Quota()
		for _, silence := range []time.Duration{0, 54 * time.Second, time.Minute, 70 * time.Second, 24 * time.Hour} {
			time.Sleep(silence)
			if age := kek.age(take(t, h).Key); age >= time.Minute {
				t.Errorf("after %s a key of %s", silence, age)
			}
		}
		if kek.count() > 10 {
			t.Errorf("%d keys were made for nobody", kek.count())
		}
	})
}

// TestHandOverDoesNotWait: with Run the next key is there before the last one
// ends, by age or by count.
func TestHandOverDoesNotWait(t *testing.T) {
	for name, window := range map[string]kekcache.Limits{
		"age":      {Age: 10 * time.Minute},
		"messages": {Messages: 5000},
		"bytes":    {Bytes: 50_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kek := newKEK("kek")
				kek.set(nil, 5*time.Second)
				c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: window})
				if err := c.Prepare(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer run(t, c)()
				h := c.Quota()
				all := map[*kekcache.Key]bool{}
				for range 36_000 {
					before := time.Now()
					all[take(t, h).Key] = true
					if waited := time.Since(before); waited > 0 {
						t.Fatalf("waited %s", waited)
					}
					time.Sleep(100 * time.Millisecond)
				}
				if len(all) < 6 {
					t.Errorf("%d keys in an hour", len(all))
				}
				if spare := kek.count() - len(all); spare > 1 || kek.peak() > 1 {
					t.Errorf("%d keys more than were used, up to %d at once", spare, kek.peak())
				}
			})
		})
	}
}

// TestRenewalIsSpread: processes that began at one moment do not ask their key
// service at one moment, and all in time.
func TestRenewalIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const processes, age = 200, 1000 * time.Second
		begin := time.Now()
		keks := make([]*fakeKEK, processes)
		for i := range keks {
			keks[i] = newKEK("kek")
			c := newSealing(t, sealingOptions{Wrappers: wrappers(keks[i]), Limits: kekcache.Limits{Age: age}})
			if err := c.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer run(t, c)()
		}
		renewed := func() (n int) {
			for _, k := range keks {
				n += k.count() - 1
			}
			return n
		}
		for _, at := range []struct {
			second   int
			min, max int
		}{{749, 0, 0}, {825, processes / 4, processes * 3 / 4}, {902, processes, processes}} {
			time.Sleep(time.Duration(at.second)*time.Second - time.Since(begin))
			synctest.Wait()
			if n := renewed(); n < at.min || n > at.max {
				t.Errorf("after %d s %d of %d have asked", at.second, n, processes)
			}
		}
	})
}

// TestCreated: a grant's time is right to a second, also after a wait.
func TestCreated(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(*sealing) func()) {
		kek := newKEK("kek")
		c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: time.Minute}})
		stop := start(c)
		h := c.Quota()
		check := func(when string) {
			t.Helper()
			created := take(t, h).Created
			if late := time.Now().Unix() - int64(created); late < 0 || late > 1 {
				t.Errorf("%s: %d seconds late", when, late)
			}
		}
		for range 1000 {
			check("at once")
			time.Sleep(130 * time.Millisecond)
		}
		kek.set(nil, 20*time.Second)
		time.Sleep(2 * time.Minute)
		check("after a wait for a key")
		stop()
		time.Sleep(30 * time.Second)
		check("after Run")
	})
}

// TestServiceSlowerThanAge: a key that is too old when it comes is not used,
// and the service is not asked in a tight loop.
func TestServiceSlowerThanAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek, log := newKEK("kek"), &logged{}
		kek.set(nil, 3*time.Second)
		c := newSealing(t, sealingOptions{
			Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: 2 * time.Second}, Log: log.logger(),
		})
		go func() {
			time.Sleep(time.Minute)
			if n := kek.count(); n < 10 || n > 16 {
				t.Errorf("asked %d times in a minute", n)
			}
			if c.Status().State != kekcache.Restricted {
				t.Error(c.Status().State)
			}
			kek.set(nil, time.Second)
		}()
		key := take(t, c.Quota()).Key
		if age := kek.age(key); age >= 2*time.Second {
			t.Errorf("a key of %s", age)
		}
		log.want(t,
			"WARN no new data key can be had state=restricted error=data key: it took longer to make than it may live",
			"INFO data keys can be had again state=normal")
	})
}

// TestRunEndsSlowly: while Run waits for a key service that does not hear of
// its end, ages hold all the same.
func TestRunEndsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := &deafKEK{newKEK("kek")}
		c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: time.Minute}})
		stop := run(t, c)
		h := c.Quota()
		take(t, h)
		kek.set(nil, 10*time.Minute)
		time.Sleep(55 * time.Second) // the next key has been asked for
		kek.set(nil, 0)
		go stop()
		time.Sleep(10 * time.Second)
		if age := kek.age(take(t, h).Key); age >= time.Minute {
			t.Errorf("a key of %s", age)
		}
	})
}

// deafKEK finishes every call, whatever becomes of its context.
type deafKEK struct{ *fakeKEK }

func (k *deafKEK) Wrap(ctx context.Context, kc keys.Context, dek []byte) (keys.Wrapped, error) {
	return k.fakeKEK.Wrap(context.WithoutCancel(ctx), kc, dek)
}
