package kekcache_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

func localKEK(t testing.TB) keys.Wrapper {
	t.Helper()
	file, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	kek, err := local.ParseAES(file)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

// TestNobodyWaits: with a KEK in this process, sealing at full speed does not
// wait for keys, though a window lasts for a fraction of a time slice. Some
// may: the system can take the processor away from whoever makes a key, on a
// busy machine for long. Without a key made ahead it would be one at each
// window at least.
func TestNobodyWaits(t *testing.T) {
	const holders, window, windows = 8, 1000, 200
	for name, running := range map[string]bool{"without Run": false, "with Run": true} {
		t.Run(name, func(t *testing.T) {
			c := newSealing(t, sealingOptions{Wrappers: wrappers(localKEK(t)), Limits: kekcache.Limits{Messages: window}})
			if running {
				defer run(t, c)()
			}
			used := make([]map[[chunker.CommitmentSize]byte]uint64, holders)
			var wg sync.WaitGroup
			for i := range holders {
				used[i] = map[[chunker.CommitmentSize]byte]uint64{}
				h := c.Quota()
				wg.Go(func() {
					plaintext, dst := make([]byte, 1024), []byte(nil)
					for range window * windows / holders {
						g, err := h.Take(t.Context(), uint64(len(plaintext)), 1)
						if err == nil {
							dst, err = g.Sealer.Seal(dst[:0], nil, plaintext, nil)
						}
						if err != nil {
							t.Error(err)
							return
						}
						used[i][g.Key.Commitment]++
					}
				})
			}
			wg.Wait()
			sum := map[[chunker.CommitmentSize]byte]uint64{}
			for _, share := range used {
				for commitment, n := range share {
					sum[commitment] += n
				}
			}
			for _, n := range sum {
				if n > window {
					t.Errorf("%d messages under one key", n)
				}
			}
			if len(sum) < windows {
				t.Errorf("%d keys", len(sum))
			}
			if waits := c.Status().Waits; waits > windows/2 {
				t.Errorf("%d calls waited in %d windows", waits, windows)
			}
		})
	}
}

// TestNobodyWaitsAtAnyPace: what has its time from a clock, so that every wait
// is a fault: if a key is made faster than a window is used up, only the first
// one is waited for, and no limit is overrun.
func TestNobodyWaitsAtAnyPace(t *testing.T) {
	for name, test := range map[string]struct {
		window  kekcache.Limits
		takes   time.Duration // making a key
		between time.Duration // messages of one holder
	}{
		"fast, messages":  {kekcache.Limits{Messages: 1000}, 90 * time.Millisecond, time.Millisecond},
		"fast, bytes":     {kekcache.Limits{Bytes: 50_000}, 90 * time.Millisecond, time.Millisecond},
		"slow, messages":  {kekcache.Limits{Messages: 1000}, 5 * time.Second, time.Second / 4},
		"age":             {kekcache.Limits{Age: time.Minute}, 5 * time.Second, time.Second / 4},
		"age or messages": {kekcache.Limits{Age: time.Minute, Messages: 2000}, 5 * time.Second, time.Second / 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const holders, takes = 8, 2000
				kek := newKEK("kek")
				c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: test.window})
				kek.set(nil, test.takes)
				if err := c.Prepare(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer run(t, c)()
				shares := make([]map[*kekcache.Key]used, holders)
				var wg sync.WaitGroup
				for i := range holders {
					shares[i] = map[*kekcache.Key]used{}
					h := c.Quota()
					wg.Go(func() {
						time.Sleep(test.between * time.Duration(i) / holders)
						for n := range takes {
							size := uint64(n % 101)
							g, err := h.Take(t.Context(), size, 1)
							if err != nil {
								t.Error(err)
								return
							}
							if age := kek.age(g.Key); test.window.Age > 0 && age >= test.window.Age {
								t.Errorf("a key of %s", age)
							}
							u := shares[i][g.Key]
							shares[i][g.Key] = used{u.messages + 1, u.bytes + size}
							time.Sleep(test.between)
						}
					})
				}
				wg.Wait()
				all := sum(shares)
				checkLimits(t, all, test.window)
				if waits := c.Status().Waits; waits != 1 {
					t.Errorf("%d calls waited, over %d keys", waits-1, len(all))
				}
				if spare := kek.count() - len(all); len(all) < 7 || spare > 3 || kek.peak() > 1 {
					t.Errorf("%d keys were used, %d more were made, up to %d at once", len(all), spare, kek.peak())
				}
			})
		})
	}
}

// TestBurstAtTheEnd: the pace so far says nothing about a burst, so the next
// key is there before the last tenth is begun.
func TestBurstAtTheEnd(t *testing.T) {
	for name, window := range map[string]kekcache.Limits{"messages": {Messages: 1000}, "bytes": {Bytes: 10_000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kek := newKEK("kek")
				kek.set(nil, time.Second)
				c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: window})
				defer run(t, c)()
				h := c.Quota()
				for range 905 {
					take(t, h)
					time.Sleep(time.Second / 2)
				}
				for range 500 {
					take(t, h)
				}
				if waits := c.Status().Waits; waits != 1 {
					t.Errorf("%d calls waited for a key", waits-1)
				}
			})
		})
	}
}

// TestBurstThenSilence: what was fetched because of a burst is not kept until
// it is over its age together with the key before it.
func TestBurstThenSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: time.Minute, Messages: 1000}})
		h := c.Quota()
		first := take(t, h).Key
		kek.set(nil, time.Second)
		defer run(t, c)()
		for range 400 {
			if take(t, h).Key != first {
				t.Fatal("the window ended")
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		if kek.count() < 2 {
			t.Error("no key was fetched ahead in a burst")
		}
		for begin := time.Now(); time.Since(begin) < 10*time.Minute; time.Sleep(time.Second) {
			take(t, h)
		}
		if waits := c.Status().Waits; waits != 1 {
			t.Errorf("%d calls waited for a key", waits-1)
		}
		if n := kek.count(); n > 16 {
			t.Errorf("%d keys in ten minutes", n)
		}
	})
}

// TestQuickServiceThatHangs holds up one Take for a moment, and not those after
// it.
func TestQuickServiceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: kekcache.Limits{Messages: 1000}})
		defer run(t, c)()
		h := c.Quota()
		take(t, h)
		kek.set(nil, time.Minute)
		before := time.Now()
		for range 999 {
			take(t, h)
		}
		if waited := time.Since(before); waited > 100*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
	})
}

func sum(shares []map[*kekcache.Key]used) map[*kekcache.Key]used {
	all := map[*kekcache.Key]used{}
	for _, share := range shares {
		for key, u := range share {
			all[key] = used{all[key].messages + u.messages, all[key].bytes + u.bytes}
		}
	}
	return all
}
