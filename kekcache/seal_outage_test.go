package kekcache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestOutage goes through all states: the service cannot be used for longer
// than a key lives, and comes back. Why it cannot be used makes no difference
// once there was a key.
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
						waited <- key(t, o.c.Quota())
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
				next := <-waited
				if next == nil || next == first || <-waited != next || <-waited != next {
					t.Fatal("not the next key")
				}
				if age := o.kek.age(next); age > time.Second {
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

// lastWait is the longest wait between two tries.
const lastWait = 1800 * time.Millisecond

// mostWaits is how often a service that is away is asked in a span, at most.
func mostWaits(span time.Duration) int { return int(2*span/lastWait) + 10 }

// outage is a cache whose services can be made to fail.
type outage struct {
	t     *testing.T
	age   time.Duration
	kek   *fakeKEK
	store *fakeStore
	audit *fakeAudit
	log   *logged
	c     *sealing
	h     *kekcache.Quota
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{t: t, age: time.Minute, kek: newKEK("kek"), store: newStore(), audit: &fakeAudit{}, log: &logged{}}
	o.c = newSealing(t, sealingOptions{
		Wrappers: wrappers(o.kek), Limits: kekcache.Limits{Age: o.age, Bytes: 1000}, Log: o.log.logger(),
		Store: o.store, Audit: o.audit,
	})
	o.h = o.c.Quota()
	return o
}

func (o *outage) state(want kekcache.State) {
	o.t.Helper()
	if got := o.c.Status().State; got != want {
		o.t.Errorf("state %s, want %s", got, want)
	}
}

// TestRestrictedAsSoonAsOneWaits: for the one it makes no difference that
// others could still seal something smaller.
func TestRestrictedAsSoonAsOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		defer run(t, o.c)()
		take(t, o.h)
		o.kek.away()
		time.Sleep(o.age * 90 / 100)
		o.state(kekcache.Degraded)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := o.c.Quota().Take(ctx, 1000, 1)
			ended <- err
		}()
		synctest.Wait()
		o.state(kekcache.Restricted)
		take(t, o.h)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(lastWait) // Run has tried once more
		take(t, o.h)
		o.state(kekcache.Restricted)
		o.kek.fine()
		time.Sleep(lastWait)
		o.state(kekcache.Normal)
		o.logged(3)
	})
}

// TestGivenBackOnce: a holder that gave back its block for a message that did
// not fit, and then got no key for it either, has nothing left to seal with.
func TestGivenBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		c := newSealing(t, sealingOptions{
			Wrappers: wrappers(kek), Limits: kekcache.Limits{Messages: 1000, Bytes: 1_000_000},
		})
		h := c.Quota()
		first := take(t, h).Key
		kek.away()
		messages := uint64(1)
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := h.Take(ctx, 1_000_000, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			take(t, h)
			messages++
		}
		kek.fine()
		for take(t, h).Key == first {
			messages++
		}
		if messages != 1000 {
			t.Errorf("%d messages under a key", messages)
		}
	})
}

// TestOutageWithoutRun: nobody fetches ahead, so the first who needs the next
// key waits for it.
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
		if waited := time.Since(before); waited < time.Hour || waited > time.Hour+lastWait {
			t.Errorf("waited %s", waited)
		}
		if n := o.kek.count(); n < mostWaits(time.Hour)/2 || n > mostWaits(time.Hour) {
			t.Errorf("asked %d times in an hour", n)
		}
	})
}

// TestContextEndsWaiting: whoever fetches for all gives up, and the next one
// takes over. It says nothing about the service.
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
			_, err := o.c.Quota().Take(second, 1, 1)
			ended <- err
		}()
		third := make(chan *kekcache.Key)
		go func() { third <- key(t, o.c.Quota()) }()
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
			h := o.c.Quota()
			wg.Go(func() { key(t, h) })
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
	c := newSealing(t, sealingOptions{Wrappers: wrappers(kek)})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = c.Quota().Take(t.Context(), 1, 1)
	}()
	take(t, c.Quota())
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
