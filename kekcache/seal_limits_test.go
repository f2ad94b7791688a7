package kekcache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// used is what was sealed under one key.
type used struct{ messages, bytes uint64 }

// takeMany has several holders take as fast as they can and returns what they
// took under each key.
func takeMany(t *testing.T, c *sealing, holders, takes int, size func(i int) uint64) map[*kekcache.Key]used {
	t.Helper()
	shares := make([]map[*kekcache.Key]used, holders)
	var wg sync.WaitGroup
	for i := range shares {
		shares[i] = map[*kekcache.Key]used{}
		h := c.Quota()
		wg.Go(func() {
			for n := range takes {
				g, err := h.Take(t.Context(), size(n), 1)
				if err != nil {
					t.Error(err)
					return
				}
				u := shares[i][g.Key]
				shares[i][g.Key] = used{u.messages + 1, u.bytes + size(n)}
			}
		})
	}
	wg.Wait()
	return sum(shares)
}

// The clock stands still, so that making a key takes no longer than using it up,
// however busy the machine is.
func TestWindowIsNeverOverrun(t *testing.T) {
	const takes = 1000
	varied := func(n int) uint64 { return uint64(n * 37 % 101) }
	for _, window := range []kekcache.Limits{
		{Messages: 1}, {Messages: 2}, {Messages: 3}, {Messages: 1000},
		{Bytes: 100}, {Bytes: 1000}, {Bytes: 30_000},
		{Messages: 7, Bytes: 150}, {Messages: 300, Bytes: 15_000},
	} {
		for _, holders := range []int{1, 2, 3, 8} {
			for _, running := range []bool{false, true} {
				name := fmt.Sprintf("%d messages, %d bytes, %d holders, running %v", window.Messages, window.Bytes, holders, running)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						kek := newKEK("kek")
						c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: window})
						if running {
							defer run(t, c)()
						}
						all := takeMany(t, c, holders, takes/holders, varied)
						checkLimits(t, all, window)
						most := 1 // more than were used
						if running {
							most = 9
						}
						if spare := kek.count() - len(all); kek.peak() > 1 || spare < 0 || spare > most {
							t.Errorf("%d keys were made, up to %d at once; %d were used", kek.count(), kek.peak(), len(all))
						}
					})
				})
			}
		}
	}
}

func checkLimits(t *testing.T, all map[*kekcache.Key]used, limit kekcache.Limits) {
	t.Helper()
	for _, u := range all {
		if limit.Messages > 0 && u.messages > limit.Messages {
			t.Errorf("%d messages under a key", u.messages)
		}
		if limit.Bytes > 0 && u.bytes > limit.Bytes {
			t.Errorf("%d bytes under a key", u.bytes)
		}
	}
}

// TestWindowIsUsedUp: a limit is not only not overrun. One holder, whose blocks
// follow each other, reaches it, with whatever sizes; a message that does not
// fit in what is left of a block costs nothing.
func TestWindowIsUsedUp(t *testing.T) {
	for _, test := range []struct {
		window kekcache.Limits
		size   func(n int) uint64
	}{
		{kekcache.Limits{Messages: 1}, func(int) uint64 { return 1 }},
		{kekcache.Limits{Messages: 1000}, func(int) uint64 { return 5 }},
		{kekcache.Limits{Messages: 1000}, func(n int) uint64 { return uint64(n%2) << 26 }},
		{kekcache.Limits{Bytes: 1000}, func(int) uint64 { return 10 }},
		{kekcache.Limits{Bytes: 256 << 10}, func(int) uint64 { return 2048 }},
		{kekcache.Limits{Bytes: 256 << 10}, func(n int) uint64 { return uint64(n%2) << 11 }},
	} {
		c := newSealing(t, sealingOptions{Wrappers: wrappers(newKEK("kek")), Limits: test.window})
		all := takeMany(t, c, 1, 4000, test.size)
		full := 0
		for _, u := range all {
			if u.messages == test.window.Messages || u.bytes == test.window.Bytes {
				full++
			}
		}
		if len(all) < 4 || full < len(all)-1 { // the last key was not needed to the end
			t.Errorf("%+v: only %d of %d keys were used up", test.window, full, len(all))
		}
	}
}

// TestSealLimits: the format's limit on seals holds, whatever the window says.
// One seal is the key record's.
func TestSealLimits(t *testing.T) {
	for _, test := range []struct {
		nonces chunker.Nonces
		seals  uint64 // of one message
		want   uint64 // messages under a key; 0 for ErrWindow
	}{
		{chunker.Counter, 1 << 30, 3},
		{chunker.Counter, 1<<32 - 1, 1},
		{chunker.Counter, 1 << 32, 0},
		{chunker.Random, 1 << 30, 1},
		{chunker.Random, 1<<31 - 1, 1},
		{chunker.Random, 1 << 31, 0},
	} {
		c := newSealing(t, sealingOptions{Wrappers: wrappers(newKEK("kek")), Nonces: test.nonces})
		h := c.Quota()
		under := map[*kekcache.Key]uint64{}
		for range 12 {
			g, err := h.Take(t.Context(), 0, test.seals)
			if test.want == 0 {
				if !errors.Is(err, kekcache.ErrWindow) {
					t.Errorf("nonces %d, %d seals: %v", test.nonces, test.seals, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			under[g.Key]++
		}
		for _, n := range under {
			if n != test.want {
				t.Errorf("nonces %d, %d seals: %d messages under one key, want %d", test.nonces, test.seals, n, test.want)
			}
		}
	}
}

func TestMessageLargerThanWindow(t *testing.T) {
	kek := newKEK("kek")
	c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Limits: kekcache.Limits{Bytes: 1000}})
	h := c.Quota()
	for range 2 {
		for _, size := range []uint64{1001, 1 << 63, 1<<64 - 1} {
			if _, err := h.Take(t.Context(), size, 1); !errors.Is(err, kekcache.ErrWindow) {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
		if _, err := h.Take(t.Context(), 1000, 1); err != nil {
			t.Error(err)
		}
	}
	if n := kek.count(); n < 2 || n > 3 { // one may be there for the next message
		t.Errorf("%d keys for two messages", n)
	}
}

// TestLeasesOfHolders: holders never share a sealer, and a holder keeps its own
// for as long as the key stays.
func TestLeasesOfHolders(t *testing.T) {
	c := newSealing(t, sealingOptions{Wrappers: wrappers(newKEK("kek")), Limits: kekcache.Limits{Messages: 5000}})
	seen := map[*chunker.Sealer]bool{}
	for range 4 {
		h := c.Quota()
		first := take(t, h).Sealer
		if seen[first] {
			t.Error("two holders have one sealer")
		}
		seen[first] = true
		for range 500 {
			if take(t, h).Sealer != first {
				t.Fatal("a new sealer under the same key")
			}
		}
	}
}

func TestTakeDoesNotAllocate(t *testing.T) {
	c := newSealing(t, sealingOptions{Wrappers: wrappers(newKEK("kek"))})
	h := c.Quota()
	ctx := context.Background()
	if n := testing.AllocsPerRun(5000, func() { _, _ = h.Take(ctx, 1000, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
