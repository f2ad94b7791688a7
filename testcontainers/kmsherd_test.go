package testcontainers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

// TestKMSHerd has the KMS of 100 caches go away until their windows are over,
// and come back. Each of them has its own breaker, as in a process of its own.
func TestKMSHerd(t *testing.T) {
	emulators(t, func(t *testing.T, e *emulator) {
		t.Run("cut off", func(t *testing.T) {
			kmsHerd(newAccount(t, e), 6, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		})
		t.Run("hung", func(t *testing.T) {
			kmsHerd(newAccount(t, e), 6, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		})
	})
}

// member is one of the herd.
type member struct {
	name  string
	cache *envelope.Sealer
	first [chunker.CommitmentSize]byte // of the data key
	again time.Time                    // when it had a key after the outage
}

// kmsHerd has the outage last until each cache has made so many calls in vain
// and waits for a key.
func kmsHerd(a *account, inVain int, fault http.HandlerFunc) {
	const caches, window = 100, 5 * time.Second
	p := newProxy(a.T, a.endpoint)
	herd := newHerd(a.through(p), caches, window)
	before := len(p.of("GenerateDataKey"))
	p.setFault(fault)
	away := time.Now()
	var wg sync.WaitGroup
	for _, m := range herd {
		wg.Go(func() { m.seal(a) })
	}
	await(a.T, "all have found it away and wait", nil, func() bool {
		count := byCache(p.failed())
		return !slices.ContainsFunc(herd, func(m *member) bool {
			return count[m.name] < inVain || m.cache.Status().State != kekcache.Restricted
		})
	})
	p.setFault(nil)
	back := time.Now()
	wg.Wait()

	var waited []time.Duration
	for _, m := range herd {
		waited = append(waited, m.again.Sub(back))
		if state := m.cache.Status().State; state != kekcache.Normal {
			a.Errorf("%s is %s", m.name, state)
		}
	}
	slices.Sort(waited)
	outage := back.Sub(away)
	failed := byCache(p.failed())
	after := byCache(p.of("GenerateDataKey")[before+len(p.failed()):])
	a.Logf("away for %s: %d calls in vain, at most %d of a cache; then %d calls, at most %d of a cache, in each half second %v; a key after %s (median), %s (last)",
		outage.Round(time.Millisecond), sum(failed), most(failed), sum(after), most(after), halfSeconds(p, back),
		waited[caches/2].Round(time.Millisecond), waited[caches-1].Round(time.Millisecond))
	// Five calls open the breaker, which then lets one through every second at
	// most.
	if limit := 5 + int(outage/time.Second) + 1; most(failed) > limit {
		a.Errorf("%d calls of one cache in vain, more than %d", most(failed), limit)
	}
	// One for the window that is waited for, and one that Run may have begun
	// ahead of the next.
	if len(after) != caches || most(after) > 2 {
		a.Errorf("%d caches called, up to %d times", len(after), most(after))
	}
	if last := waited[caches-1]; last > 10*time.Second { // 5 are promised, and this machine may be busy
		a.Errorf("a key after %s", last)
	}
}

// newHerd makes caches that have a first window.
func newHerd(a *account, caches int, window time.Duration) []*member {
	arn := a.symmetric()
	herd := make([]*member, caches)
	var wg sync.WaitGroup
	for i := range herd {
		name := fmt.Sprint("cache ", i)
		key := a.key(awskms.Options{Key: arn, Pairs: map[string]string{"cache": name}})
		cache, err := envelope.NewSealer([]keys.Wrapper{key}, envelope.SealerOptions{
			Context: kc.Name, Pairs: kc.Pairs, Limits: kekcache.Limits{Age: window},
		})
		if err != nil {
			a.Fatal(err)
		}
		herd[i] = &member{name: name, cache: cache}
	}
	for _, m := range herd {
		wg.Go(func() {
			var err error
			if m.first, err = m.dataKey(a.ctx); err != nil {
				a.Error(err)
			}
		})
	}
	wg.Wait()
	if a.Failed() {
		a.FailNow()
	}
	return herd
}

// seal takes a message now and then until there is another key than the first.
func (m *member) seal(a *account) {
	defer runCache(a.ctx, m.cache)()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		key, err := m.dataKey(a.ctx)
		switch {
		case err != nil:
			a.Error(err)
			return
		case key != m.first:
			m.again = time.Now()
			return
		}
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			a.Error(a.ctx.Err())
			return
		}
	}
}

// dataKey seals a message and returns the commitment of its data key.
func (m *member) dataKey(ctx context.Context) (commitment [chunker.CommitmentSize]byte, err error) {
	sealed, err := m.cache.Seal(ctx, nil, []byte("x"), envelope.Binding{})
	if err != nil {
		return commitment, err
	}
	var e cms.Envelope
	err = cms.Parse(sealed, &e)
	copy(commitment[:], e.Commitment)
	return commitment, err
}

func byCache(calls []call) map[string]int {
	count := map[string]int{}
	for _, c := range calls {
		count[c.cache]++
	}
	return count
}

func sum(count map[string]int) (n int) {
	for _, c := range count {
		n += c
	}
	return n
}

func most(count map[string]int) (n int) {
	for _, c := range count {
		n = max(n, c)
	}
	return n
}

// halfSeconds counts the calls in each half second since.
func halfSeconds(p *proxy, since time.Time) (counts []int) {
	for _, c := range p.of("GenerateDataKey") {
		if c.at.Before(since) || c.failed {
			continue
		}
		for at := int(c.at.Sub(since) / (500 * time.Millisecond)); len(counts) <= at; {
			counts = append(counts, 0)
		}
		counts[len(counts)-1]++
	}
	return counts
}
