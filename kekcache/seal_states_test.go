package kekcache_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// faults are all that can keep a new key from being had and may pass.
var faults = map[string]struct {
	begin   func(*outage)
	atStart bool // waited for, also before there was a key
}{
	"away": {func(o *outage) { o.kek.away() }, true},
	"late": {func(o *outage) { o.kek.set(nil, o.age) }, true},
	"gone": {func(o *outage) { o.kek.gone() }, false},
	"bad wrap": {func(o *outage) {
		o.kek.set(o.kek.fault(keys.BadWrap), 0)
	}, false},
	"store": {func(o *outage) { o.store.fail(errors.New("disk full")) }, false},
	"audit": {func(o *outage) { o.audit.fail(errors.New("disk full")) }, false},
}

// end ends every fault.
func (o *outage) end() {
	o.kek.fine()
	o.store.fail(nil)
	o.audit.fail(nil)
}

// TestEveryFaultAtEveryTime: which state each kind of fault leads to, and who
// waits.
func TestEveryFaultAtEveryTime(t *testing.T) {
	for name, fault := range faults {
		t.Run(name+", before the first window", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t)
				fault.begin(o)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				before := time.Now()
				_, err := o.h.Take(ctx, 1, 1)
				switch waited := time.Since(before); {
				case fault.atStart && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("after %s: %v", waited, err)
				case fault.atStart:
					o.state(kekcache.Restricted)
				case err == nil || waited > 0:
					t.Errorf("after %s: %v", waited, err)
				default:
					o.state(kekcache.Normal)
				}
			})
		})
		t.Run(name+", later", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t)
				defer run(t, o.c)()
				first := take(t, o.h).Key
				fault.begin(o)
				time.Sleep(o.age * 7 / 10)
				o.state(kekcache.Normal)
				o.waits(0)
				if name == "late" {
					time.Sleep(2 * o.age) // it takes that long to find out
				} else {
					time.Sleep(o.age * 25 / 100)
					o.state(kekcache.Degraded)
					if take(t, o.h).Key != first {
						t.Error("a new key while there is none")
					}
					time.Sleep(o.age) // past its limit, though nobody wants to seal
				}
				o.state(kekcache.Restricted)
				o.waits(0)
				waited := make(chan *kekcache.Key)
				for range 3 {
					go func() { waited <- key(t, o.c.Quota()) }()
				}
				time.Sleep(10 * o.age)
				synctest.Wait()
				o.state(kekcache.Restricted)
				o.waits(3)
				o.end()
				if next := <-waited; next == nil || next == first || <-waited != next || <-waited != next {
					t.Fatal("not the next key")
				}
				synctest.Wait()
				o.state(kekcache.Normal)
				o.waits(0)
				if s := o.c.Status(); s.Cause != nil {
					t.Error(s.Cause)
				}
				o.logged(map[bool]int{true: 2, false: 3}[name == "late"])
			})
		})
	}
}

func (o *outage) waits(want int) {
	o.t.Helper()
	if got := o.c.Status().Waiting; got != want {
		o.t.Errorf("%d wait, want %d", got, want)
	}
}

// logged fails the test unless so many changes were logged, and audited.
func (o *outage) logged(want int) {
	o.t.Helper()
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	audited := 0
	for _, e := range o.audit.all() {
		if e.Op == kekcache.OpState {
			audited++
		}
	}
	if len(o.log.lines) != want || audited != want {
		o.t.Errorf("%d changes audited, and logged: %q", audited, o.log.lines)
	}
}

// TestBackWithinFiveSeconds: when the service returns, so do those who wait,
// and the state though nobody does.
func TestBackWithinFiveSeconds(t *testing.T) {
	for name, test := range map[string]struct{ waits, gaveUp bool }{
		"somebody waits": {true, false}, "nobody does": {false, false}, "somebody gave up": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t)
				defer run(t, o.c)()
				take(t, o.h)
				o.kek.away()
				ended := make(chan struct{})
				switch {
				case test.gaveUp:
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if _, err := o.c.StreamKey(ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					close(ended)
				case test.waits:
					time.Sleep(o.age)
					go func() { key(t, o.c.Quota()); close(ended) }()
				default:
					close(ended)
				}
				if !test.gaveUp { // else long before Run would ask because of the key's age
					time.Sleep(time.Hour)
				}
				o.state(kekcache.Restricted)
				o.kek.fine()
				time.Sleep(5 * time.Second)
				synctest.Wait()
				o.state(kekcache.Normal)
				select {
				case <-ended:
				default:
					t.Error("still waiting")
				}
			})
		})
	}
}

// TestHerd: a hundred caches on one service that all need a key at one moment,
// in an outage. They ask seldom and soon no more all at once, and its return
// does not bring them all in one moment.
func TestHerd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const caches = 100
		kek := newKEK("kek")
		got := make(chan *kekcache.Key, caches)
		var all []*sealing
		for range caches {
			c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: time.Minute}})
			take(t, c.Quota())
			all = append(all, c)
		}
		kek.set(kek.fault(keys.Away), 50*time.Millisecond)
		time.Sleep(time.Minute)
		for _, c := range all {
			go func() { got <- key(t, c.Quota()) }()
		}
		time.Sleep(time.Minute) // all have reached their longest wait
		kek.forgetPeak()
		for range 20 {
			before := kek.count()
			time.Sleep(5 * time.Second)
			if n := kek.count() - before; n < caches || n > 4*caches {
				t.Errorf("%d calls in five seconds of the outage", n)
			}
		}
		if most := kek.peak(); most > caches/2 {
			t.Errorf("%d calls at once", most)
		}
		before := kek.count()
		kek.set(nil, 50*time.Millisecond)
		perTenth := 0
		for range 50 {
			last := kek.count()
			time.Sleep(100 * time.Millisecond)
			perTenth = max(perTenth, kek.count()-last)
		}
		if n := kek.count() - before; n > caches || len(got) != caches {
			t.Errorf("%d calls in the first five seconds, %d of %d have a key", n, len(got), caches)
		}
		if perTenth > caches/3 {
			t.Errorf("%d calls within a tenth of a second", perTenth)
		}
	})
}
