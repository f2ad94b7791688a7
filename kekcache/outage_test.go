package kekcache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestOutage goes through all states: the service cannot be used for longer than a key lives, and comes back. Why it
// cannot be used makes no difference once there was a key.
func TestOutage(t *testing.T) {
	for name, test := range map[string]struct {
		begin func(*fakeKEK, *fakeStore)
		why   string
	}{
		"away":  {func(k *fakeKEK, _ *fakeStore) { k.away() }, "kek: test: away"},
		"gone":  {func(k *fakeKEK, _ *fakeStore) { k.gone() }, "kek: test: gone"},
		"store": {func(_ *fakeKEK, s *fakeStore) { s.fail(errors.New("disk full")) }, "key record: disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t)
				defer run(t, o.c)()
				first := take(t, o.h).Key
				o.state(kekcache.Normal)

				test.begin(o.kek, o.store)
				time.Sleep(o.age * 95 / 100)
				o.state(kekcache.Degraded)
				if take(t, o.h).Key != first {
					t.Error("a new key while there is none")
				}
				waited := make(chan *kekcache.Key)
				for range 3 {
					go func() {
						time.Sleep(o.age / 10)
						waited <- take(t, o.c.Holder()).Key
					}()
				}
				time.Sleep(10 * o.age)
				synctest.Wait()
				o.state(kekcache.Restricted)
				select {
				case <-waited:
					t.Error("a key during the outage")
				default:
				}

				o.kek.fine()
				o.store.fail(nil)
				key := <-waited
				if key == first || <-waited != key || <-waited != key {
					t.Error("not the next key")
				}
				if age := o.kek.age(key); age > time.Second {
					t.Errorf("waited %s with the key there", age)
				}
				o.state(kekcache.Normal)
				o.log.want(t,
					"WARN no new data key can be had state=degraded error="+test.why,
					"WARN no new data key can be had state=restricted error="+test.why,
					"INFO data keys can be had again state=normal")
			})
		})
	}
}

// outage is a cache whose services can be made to fail.
type outage struct {
	t     *testing.T
	age   time.Duration
	kek   *fakeKEK
	store *fakeStore
	log   *logged
	c     *kekcache.Sealing
	h     *kekcache.Holder
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{t: t, age: time.Minute, kek: newKEK("kek"), store: newStore(), log: &logged{}}
	o.c = newSealing(t, kekcache.SealingOptions{
		Wrappers: wrappers(o.kek), Window: kekcache.Window{Age: o.age, Bytes: 1000}, Log: o.log.logger(),
		Store: o.store, Records: fakeRecords{},
	})
	o.h = o.c.Holder()
	return o
}

func (o *outage) state(want kekcache.State) {
	o.t.Helper()
	if got := o.c.State(); got != want {
		o.t.Errorf("state %s, want %s", got, want)
	}
}

// TestRestrictedAsSoonAsOneWaits: for the one it makes no difference that others could still seal something smaller.
func TestRestrictedAsSoonAsOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		defer run(t, o.c)()
		take(t, o.h)
		o.kek.away()
		time.Sleep(o.age * 92 / 100)
		o.state(kekcache.Degraded)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := o.c.Holder().Take(ctx, 1000, 1)
			ended <- err
		}()
		synctest.Wait()
		o.state(kekcache.Restricted)
		take(t, o.h)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestOutageWithoutRun: nobody fetches ahead, so the first who needs the next key waits for it.
func TestOutageWithoutRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		first := take(t, o.h).Key
		o.kek.away()
		time.Sleep(o.age - 1)
		if take(t, o.h).Key != first {
			t.Error("a new key while there is none")
		}
		o.state(kekcache.Normal)
		time.Sleep(time.Nanosecond)
		time.AfterFunc(time.Hour, func() {
			o.state(kekcache.Restricted)
			o.kek.fine()
		})
		before := time.Now()
		if take(t, o.h).Key == first {
			t.Error("the old key past its age")
		}
		if waited := time.Since(before); waited < time.Hour || waited > time.Hour+6*time.Second {
			t.Errorf("waited %s", waited)
		}
		if n := o.kek.count(); n < 3600/5 || n > 3600/2+20 {
			t.Errorf("asked %d times in an hour", n)
		}
	})
}

// TestStart: before there is a key only what is away is waited for.
func TestStart(t *testing.T) {
	for name, test := range map[string]struct {
		begin func(*fakeKEK, *fakeStore)
		want  string // "" if it waits
	}{
		"away":    {func(k *fakeKEK, _ *fakeStore) { k.away() }, ""},
		"gone":    {func(k *fakeKEK, _ *fakeStore) { k.gone() }, "kek: test: gone"},
		"unknown": {func(k *fakeKEK, _ *fakeStore) { k.set(errors.New("bug"), 0) }, "bug"},
		"store":   {func(_ *fakeKEK, s *fakeStore) { s.fail(errors.New("disk full")) }, "key record: disk full"},
	} {
		for way, call := range map[string]func(*outage) error{
			"Prepare": func(o *outage) error { return o.c.Prepare(o.t.Context()) },
			"Take":    func(o *outage) error { _, err := o.h.Take(o.t.Context(), 1, 1); return err },
			"Fresh":   func(o *outage) error { _, err := o.c.Fresh(o.t.Context()); return err },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := newOutage(t)
					test.begin(o.kek, o.store)
					time.AfterFunc(time.Hour, func() {
						if test.want == "" {
							o.state(kekcache.Restricted)
						}
						o.kek.fine()
					})
					before := time.Now()
					err := call(o)
					waited := time.Since(before)
					switch {
					case test.want == "" && (err != nil || waited < time.Hour):
						t.Errorf("after %s: %v", waited, err)
					case test.want != "" && (err == nil || err.Error() != test.want || waited > 0):
						t.Errorf("after %s: %v", waited, err)
					}
					time.Sleep(2 * time.Hour)
				})
			})
		}
	}
}

// TestUnknownFaultIsNotRetried: what is no fault of a service is told to whoever wants to seal, also later on.
func TestUnknownFaultIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		defer run(t, o.c)()
		take(t, o.h)
		bug := errors.New("bug")
		o.kek.set(bug, 0)
		time.Sleep(2 * o.age)
		if _, err := o.h.Take(t.Context(), 1, 1); !errors.Is(err, bug) {
			t.Error(err)
		}
		o.kek.fine()
		take(t, o.h)
		o.log.want(t, "ERROR the next data key cannot be made error=bug")
	})
}

// TestContextEndsWaiting: whoever fetches for all gives up, and the next one takes over. It says nothing about the service.
func TestContextEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		o.kek.set(nil, time.Hour)
		first, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := o.h.Take(first, 1, 1)
			ended <- err
		}()
		synctest.Wait()
		second, cancelSecond := context.WithCancel(t.Context())
		go func() {
			_, err := o.c.Holder().Take(second, 1, 1)
			ended <- err
		}()
		third := make(chan *kekcache.Key)
		go func() { third <- take(t, o.c.Holder()).Key }()
		time.Sleep(time.Second)

		cancelSecond() // it only waits
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		o.kek.set(nil, time.Second)
		cancel() // it fetches
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if <-third == nil || o.kek.count() != 2 || o.kek.peak() != 1 {
			t.Errorf("%d calls, %d at once", o.kek.count(), o.kek.peak())
		}
		o.state(kekcache.Normal)
		o.log.want(t)
	})
}

func TestEndedContext(t *testing.T) {
	o := newOutage(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.h.Take(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if o.kek.count() != 0 {
		t.Error("the service was called")
	}
}

// TestRunEndsWhileOthersWait: they fetch for themselves.
func TestRunEndsWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		stop := run(t, o.c)
		take(t, o.h)
		o.kek.away()
		time.Sleep(o.age * 99 / 100) // Run is at it
		var wg sync.WaitGroup
		for range 5 {
			h := o.c.Holder()
			wg.Go(func() { take(t, h) })
		}
		time.Sleep(time.Minute)
		stop()
		time.Sleep(time.Minute)
		o.state(kekcache.Restricted)
		o.kek.fine()
		wg.Wait()
		o.state(kekcache.Normal)
	})
}

// TestPanicOfAService leaves nobody waiting for ever.
func TestPanicOfAService(t *testing.T) {
	kek := &panicky{fakeKEK: newKEK("kek"), left: 1}
	c := newSealing(t, kekcache.SealingOptions{Wrappers: wrappers(kek)})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = c.Holder().Take(t.Context(), 1, 1)
	}()
	take(t, c.Holder())
}

type panicky struct {
	*fakeKEK
	left int
}

func (k *panicky) Wrap(ctx context.Context, kc keys.Context, dek []byte) (keys.Wrapped, error) {
	if k.left > 0 {
		k.left--
		panic("a bug")
	}
	return k.fakeKEK.Wrap(ctx, kc, dek)
}

func TestFreshIsNoPartOfTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		current := take(t, o.h).Key
		seen := map[*kekcache.Key]bool{current: true}
		for range 3 {
			g, err := o.c.Fresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if seen[g.Key] || int64(g.Created) != time.Now().Unix() {
				t.Error("not a fresh key, made now")
			}
			seen[g.Key] = true
			if _, err := g.Sealer.Seal(nil, nil, nil, nil); err != nil {
				t.Error(err)
			}
		}
		if take(t, o.h).Key != current {
			t.Error("the window ended")
		}
		o.kek.away()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := o.c.Fresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		o.state(kekcache.Restricted)
	})
}

func TestSealingOptions(t *testing.T) {
	kek := newKEK("kek")
	many := make([]keys.Wrapper, 17)
	for name, o := range map[string]kekcache.SealingOptions{
		"no key":                {},
		"17 keys":               {Wrappers: many},
		"store without records": {Wrappers: wrappers(kek), Store: newStore()},
		"negative age":          {Wrappers: wrappers(kek), Window: kekcache.Window{Age: -time.Second}},
		"tiny age":              {Wrappers: wrappers(kek), Window: kekcache.Window{Age: time.Second - 1}},
		"2^40 bytes and one":    {Wrappers: wrappers(kek), Window: kekcache.Window{Bytes: 1<<40 + 1}},
		"2^32 messages and one": {Wrappers: wrappers(kek), Window: kekcache.Window{Messages: 1<<32 + 1}},
	} {
		if _, err := kekcache.NewSealing(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	c := newSealing(t, kekcache.SealingOptions{Wrappers: wrappers(kek), Nonces: chunker.Nonces(7)})
	if err := c.Prepare(t.Context()); err == nil {
		t.Error("unknown nonces were taken")
	}
}
