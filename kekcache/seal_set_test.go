package kekcache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// set is SealKeys for several Purposes, with a record of its windows.
type set struct {
	*kekcache.SealKeys
	t     testing.TB
	audit *fakeAudit
}

func newSet(t testing.TB, o kekcache.SealKeysOptions) *set {
	t.Helper()
	s := &set{t: t, audit: &fakeAudit{}}
	o.Codec, o.Audit = fakeCodec{}, s.audit
	var err error
	if s.SealKeys, err = kekcache.NewSealKeys(o); err != nil {
		t.Fatal(err)
	}
	return s
}

func newKEKs(t testing.TB, all ...keys.Wrapper) *kekcache.KEKs {
	t.Helper()
	keks, err := kekcache.NewKEKs(all)
	if err != nil {
		t.Fatal(err)
	}
	return keks
}

// open opens a Supply for a route of that name.
func (s *set) open(keks *kekcache.KEKs, route string) *kekcache.Supply {
	s.t.Helper()
	supply, err := s.Supply(kekcache.Purpose{KEKs: keks, Context: keys.Context{Name: route}})
	if err != nil {
		s.t.Fatal(err)
	}
	return supply
}

// use opens a Supply, takes leave for one message and closes it.
func (s *set) use(keks *kekcache.KEKs, route string) *kekcache.Key {
	s.t.Helper()
	supply := s.open(keks, route)
	defer supply.Close()
	return take(s.t, supply.NewQuota()).Key
}

// windows is how many are open, by audit.
func (s *set) windows() (n int) {
	for _, e := range s.audit.all() {
		switch e.Op {
		case kekcache.OpWindowOpened:
			n++
		case kekcache.OpWindowClosed:
			n--
		default:
		}
	}
	return n
}

func (s *set) close(want map[string]int) {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
	why := s.audit.balanced(s.t, 0)
	for reason, n := range want {
		if why[reason] != n {
			s.t.Errorf("closed: %v, want %v", why, want)
			return
		}
	}
}

// TestSetIsBounded: of the Purposes that nobody uses those used last are kept,
// and the window of one that is pushed out is closed, and audited.
func TestSetIsBounded(t *testing.T) {
	s, keks := newSet(t, kekcache.SealKeysOptions{MaxPurposes: 3}), newKEKs(t, newKEK("kek"))
	made := map[string]*kekcache.Key{}
	for i := range 10 {
		route := fmt.Sprint(i)
		made[route] = s.use(keks, route)
		if s.use(keks, "0") != made["0"] {
			t.Error("the one in use all the time was pushed out")
		}
		if n := s.windows(); n > 3 {
			t.Errorf("%d windows are open", n)
		}
	}
	for route, kept := range map[string]bool{"9": true, "8": true, "0": true} {
		if (s.use(keks, route) == made[route]) != kept {
			t.Errorf("route %s: kept: %v", route, !kept)
		}
	}
	if s.use(keks, "7") == made["7"] {
		t.Error("more were kept than the bound allows")
	}
	s.close(map[string]int{"evicted": 8, "end": 3})
}

// TestSetKeepsWhatIsUsed: a Purpose in use is not pushed out, however many
// others come, and more than the bound can be in use.
func TestSetKeepsWhatIsUsed(t *testing.T) {
	const bound, used = 2, 5
	s, keks := newSet(t, kekcache.SealKeysOptions{MaxPurposes: bound}), newKEKs(t, newKEK("kek"))
	var supplies []*kekcache.Supply
	var quotas []*kekcache.Quota
	var first []*kekcache.Key
	for i := range used {
		supplies = append(supplies, s.open(keks, fmt.Sprint("used ", i)))
		quotas = append(quotas, supplies[i].NewQuota())
		first = append(first, take(t, quotas[i]).Key)
	}
	for i := range 20 {
		s.use(keks, fmt.Sprint("other ", i))
	}
	for i, q := range quotas {
		if take(t, q).Key != first[i] {
			t.Errorf("%d lost its window while it was in use", i)
		}
	}
	if n := s.windows(); n != used {
		t.Errorf("%d windows are open", n)
	}
	twice := s.open(keks, "used 0")
	supplies[0].Close()
	supplies[0].Close() // once is enough
	supplies[1].Close()
	if take(t, twice.NewQuota()).Key != first[0] || take(t, quotas[0]).Key != first[0] {
		t.Error("one of two users took the other's window away")
	}
	for _, supply := range append(supplies, twice) {
		supply.Close()
	}
	if n := s.windows(); n != bound {
		t.Errorf("%d windows are open, with nobody at it", n)
	}
	s.close(nil)
}

// TestPurposesAreKeptApart: equal Purposes share a data key; each field tells
// them apart.
func TestPurposesAreKeptApart(t *testing.T) {
	s, kek := newSet(t, kekcache.SealKeysOptions{}), newKEK("kek")
	base := func() kekcache.Purpose {
		return kekcache.Purpose{Context: keys.Context{Name: "ab", Pairs: map[string]string{"c": "d", "e": "f"}}}
	}
	keks, store := newKEKs(t, kek), newStore()
	key := func(change func(*kekcache.Purpose)) *kekcache.Key {
		p := base()
		p.KEKs = keks
		change(&p)
		supply, err := s.Supply(p)
		if err != nil {
			t.Fatal(err)
		}
		defer supply.Close()
		return take(t, supply.NewQuota()).Key
	}
	all := map[*kekcache.Key]string{}
	for name, change := range map[string]func(*kekcache.Purpose){
		"base":       func(*kekcache.Purpose) {},
		"KEKs":       func(p *kekcache.Purpose) { p.KEKs = newKEKs(t, kek) },
		"context":    func(p *kekcache.Purpose) { p.Context.Name = "abc" },
		"no context": func(p *kekcache.Purpose) { p.Context.Name = "" },
		"pair":       func(p *kekcache.Purpose) { p.Context.Pairs["c"] = "x" },
		"all in a name": func(p *kekcache.Purpose) {
			p.Context = keys.Context{Name: "ab\x01c\x01d\x01e\x01f"}
		},
		"pairs joined": func(p *kekcache.Purpose) { p.Context.Pairs = map[string]string{"c": "d\x01e\x01f"} },
		"no pairs":     func(p *kekcache.Purpose) { p.Context.Pairs = nil },
		"nonces":       func(p *kekcache.Purpose) { p.Nonces = chunker.Random },
		"store":        func(p *kekcache.Purpose) { p.Store = store },
		"other store":  func(p *kekcache.Purpose) { p.Store = newStore() },
	} {
		k := key(change)
		if other, ok := all[k]; ok {
			t.Errorf("%s and %s have one data key", name, other)
		}
		all[k] = name
	}
	if name := all[key(func(*kekcache.Purpose) {})]; name != "base" {
		t.Errorf("the same again has the data key of %q", name)
	}
	if name := all[key(func(p *kekcache.Purpose) { p.Store = store })]; name != "store" {
		t.Errorf("the same store has the data key of %q", name)
	}
}

// TestReloadOfOneAmongMany: Purposes in use go on for the new KEKs at once,
// those that nobody uses when they are used again, and those with other KEKs
// not at all.
func TestReloadOfOneAmongMany(t *testing.T) {
	a, b, other := newKEK("a"), newKEK("b"), newKEK("other")
	s := newSet(t, kekcache.SealKeysOptions{})
	keks, others := newKEKs(t, a), newKEKs(t, other)
	used, alone := s.open(keks, "used"), s.open(others, "alone")
	defer used.Close()
	defer alone.Close()
	q, p := used.NewQuota(), alone.NewQuota()
	take(t, q)
	before := take(t, p).Key
	idle := s.use(keks, "idle")
	calls := b.count()
	if err := s.Reload(t.Context(), map[*kekcache.KEKs][]keys.Wrapper{keks: wrappers(b)}); err != nil {
		t.Fatal(err)
	}
	if n := b.count() - calls; n != 1 {
		t.Errorf("%d data keys were made for one Purpose in use", n)
	}
	if got := names(take(t, q).Key.Recipients); !slices.Equal(got, []string{"b"}) {
		t.Errorf("in use: sealed for %q", got)
	}
	if take(t, p).Key != before {
		t.Error("another KEK's window was ended")
	}
	if now := s.use(keks, "idle"); now == idle || !slices.Equal(names(now.Recipients), []string{"b"}) {
		t.Errorf("not in use: sealed for %q", names(now.Recipients))
	}
	s.close(map[string]int{"reload": 2})
}

// TestReloadOfManyThatFails: if one data key cannot be made, no Purpose
// changes.
func TestReloadOfManyThatFails(t *testing.T) {
	s := newSet(t, kekcache.SealKeysOptions{})
	good, bad := newKEK("good"), newKEK("bad")
	bad.gone()
	one, two := newKEKs(t, newKEK("1")), newKEKs(t, newKEK("2"))
	first, second := s.open(one, "first"), s.open(two, "second")
	defer first.Close()
	defer second.Close()
	q, p := first.NewQuota(), second.NewQuota()
	keyQ, keyP := take(t, q).Key, take(t, p).Key
	for range 10 { // in any order
		err := s.Reload(t.Context(), map[*kekcache.KEKs][]keys.Wrapper{one: wrappers(good), two: wrappers(bad)})
		if err == nil {
			t.Fatal("taken")
		}
		if take(t, q).Key != keyQ || take(t, p).Key != keyP {
			t.Fatal("something changed")
		}
	}
	s.close(nil)
}

// TestPurposeThatComesDuringAReload is not sealed for the KEK that goes.
func TestPurposeThatComesDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t, kekcache.SealKeysOptions{})
		a, b := &deafKEK{newKEK("a")}, newKEK("b")
		keks := newKEKs(t, a)
		old := s.open(keks, "old")
		defer old.Close()
		take(t, old.NewQuota())
		a.set(nil, time.Minute)
		b.set(nil, 10*time.Second)
		reloaded := make(chan error)
		go func() {
			reloaded <- s.Reload(t.Context(), map[*kekcache.KEKs][]keys.Wrapper{keks: wrappers(b)})
		}()
		time.Sleep(time.Second)
		fresh := s.open(keks, "new")
		defer fresh.Close()
		got := make(chan *kekcache.Key)
		go func() { got <- key(t, fresh.NewQuota()) }() // asks a, which answers after the reload
		if err := <-reloaded; err != nil {
			t.Fatal(err)
		}
		if k := <-got; !slices.Equal(names(k.Recipients), []string{"b"}) {
			t.Errorf("sealed for %q", names(k.Recipients))
		}
		time.Sleep(time.Hour)
		s.close(nil)
	})
}

// TestStatusOfTheSet is the worst of all, with its cause, and the sums.
func TestStatusOfTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t, kekcache.SealKeysOptions{Limits: kekcache.Limits{Age: time.Minute}})
		well, ill := newKEK("well"), newKEK("ill")
		one, two := s.open(newKEKs(t, well), "one"), s.open(newKEKs(t, ill), "two")
		defer one.Close()
		ctx, stop := context.WithCancel(t.Context())
		go s.Run(ctx)
		q := one.NewQuota()
		take(t, q)
		take(t, two.NewQuota())
		status := func(state kekcache.State, waiting int) {
			t.Helper()
			if got := s.Status(); got.State != state || got.Waiting != waiting || (got.Cause == nil) != (state == kekcache.Normal) {
				t.Errorf("%+v", got)
			}
		}
		status(kekcache.Normal, 0)
		ill.away()
		time.Sleep(55 * time.Second)
		status(kekcache.Degraded, 0)
		time.Sleep(10 * time.Second) // its window is over
		for range 2 {
			go func() { key(t, two.NewQuota()) }()
		}
		time.Sleep(time.Minute)
		status(kekcache.Restricted, 2)
		if cause := s.Status().Cause; cause == nil || cause.Error() != "ill: test: away" {
			t.Error(cause)
		}
		before := time.Now()
		for range 1000 { // the other one is not held up, by age or by Run
			take(t, q)
			time.Sleep(100 * time.Millisecond)
		}
		if waited := time.Since(before) - 100*time.Second; waited > 0 {
			t.Errorf("the other waited %s", waited)
		}
		ill.fine()
		time.Sleep(5 * time.Second)
		status(kekcache.Normal, 0)
		two.Close()
		stop()
		synctest.Wait()
		s.close(nil)
	})
}

// TestEvictedDuringAFetch: a key that comes for a Purpose which was pushed out
// meanwhile is not used, and the end of its window is audited.
func TestEvictedDuringAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t, kekcache.SealKeysOptions{MaxPurposes: 1})
		slow := &deafKEK{newKEK("slow")}
		slow.set(nil, time.Minute)
		keks := newKEKs(t, slow)
		supply := s.open(keks, "slow")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := make(chan error)
		go func() { ended <- supply.Prepare(ctx) }()
		time.Sleep(2 * time.Second) // the service does not hear of it
		supply.Close()
		s.use(newKEKs(t, newKEK("quick")), "quick")
		if err := <-ended; err == nil {
			t.Error("it was prepared")
		}
		if n := s.windows(); n != 1 {
			t.Errorf("%d windows are open", n)
		}
		slow.fine()
		s.use(keks, "slow")
		s.close(nil)
	})
}

// TestManyPurposes: 500 in one process, on one service that answers slowly and
// goes away: Run makes their keys ahead side by side, and nobody waits but in
// the outage.
func TestManyPurposes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const routes = 500
		s := newSet(t, kekcache.SealKeysOptions{Limits: kekcache.Limits{Age: 10 * time.Minute}})
		kek := newKEK("kek")
		keks := newKEKs(t, kek)
		ctx, stop := context.WithCancel(t.Context())
		go s.Run(ctx)
		quotas := make([]*kekcache.Quota, routes)
		for i := range quotas {
			supply := s.open(keks, fmt.Sprint(i))
			defer supply.Close()
			quotas[i] = supply.NewQuota()
			take(t, quotas[i])
		}
		first := s.Status().Waits
		kek.set(nil, time.Second)
		used := map[*kekcache.Key]bool{}
		for begin := time.Now(); time.Since(begin) < 30*time.Minute; time.Sleep(time.Second) {
			for _, q := range quotas {
				used[take(t, q).Key] = true
			}
		}
		if waits := s.Status().Waits - first; waits != 0 {
			t.Errorf("%d calls waited", waits)
		}
		if n := len(used); n < 3*routes || n > 5*routes {
			t.Errorf("%d data keys in 30 minutes", n)
		}
		kek.away()
		time.Sleep(11 * time.Minute)
		var wg sync.WaitGroup
		for _, q := range quotas {
			wg.Go(func() { key(t, q) })
		}
		synctest.Wait()
		if got := s.Status(); got.State != kekcache.Restricted || got.Waiting != routes {
			t.Errorf("%+v", got)
		}
		kek.fine()
		back := time.Now()
		wg.Wait()
		if waited := time.Since(back); waited > 5*time.Second {
			t.Errorf("back after %s", waited)
		}
		stop()
		synctest.Wait()
		s.close(nil)
	})
}

// TestSetAtRandom: whatever users do, each message is sealed for the KEKs of
// the moment, limits hold, every window is opened and closed once, and no more
// are kept than the bound and those in use allow.
func TestSetAtRandom(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) { setAtRandom(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func setAtRandom(t *testing.T, rnd *rand.Rand) {
	const bound, routes, steps = 3, 8, 400
	limits := kekcache.Limits{Age: time.Minute, Messages: 20}
	s := newSet(t, kekcache.SealKeysOptions{MaxPurposes: bound, Limits: limits})
	kek := newKEK("kek")
	recipient := func(n int) []keys.Wrapper { return wrappers(&renamed{kek, fmt.Sprint("kek ", n)}) }
	version := 0
	keks := newKEKs(t, recipient(version)...)
	ctx, stop := context.WithCancel(t.Context())
	if rnd.IntN(2) == 0 {
		go s.Run(ctx)
	}
	type user struct {
		supply *kekcache.Supply
		quotas []*kekcache.Quota
	}
	open := map[int]*user{}
	messages := map[*kekcache.Key]uint64{}
	for range steps {
		route := rnd.IntN(routes)
		u := open[route]
		switch op := rnd.IntN(10); {
		case u == nil && op < 5:
			supply := s.open(keks, fmt.Sprint(route))
			open[route] = &user{supply, []*kekcache.Quota{supply.NewQuota(), supply.NewQuota()}}
		case op == 5 && u != nil:
			u.supply.Close()
			delete(open, route)
		case op == 6:
			version++
			if err := s.Reload(t.Context(), map[*kekcache.KEKs][]keys.Wrapper{keks: recipient(version)}); err != nil {
				t.Fatal(err)
			}
		case op == 7:
			time.Sleep(time.Duration(rnd.IntN(40)) * time.Second)
		case u != nil:
			for range rnd.IntN(8) {
				g := take(t, u.quotas[rnd.IntN(2)])
				messages[g.Key]++
				if got := names(g.Key.Recipients); got[0] != fmt.Sprint("kek ", version) {
					t.Fatalf("sealed for %q at version %d", got, version)
				}
			}
		}
		synctest.Wait()
		// One current window, and one that was made ahead, for each that is
		// kept.
		if n, most := s.windows(), 2*max(bound, len(open)); n > most {
			t.Fatalf("%d windows are open, with %d users", n, len(open))
		}
	}
	for key, n := range messages {
		if n > limits.Messages {
			t.Errorf("%d messages under %x", n, key.KID())
		}
	}
	stop()
	synctest.Wait()
	s.close(nil)
	if _, err := s.Supply(kekcache.Purpose{KEKs: keks}); !errors.Is(err, kekcache.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// renamed is a KEK under another name.
type renamed struct {
	*fakeKEK
	as string
}

func (k *renamed) Name() string { return k.as }

func (k *renamed) Wrap(ctx context.Context, kc keys.Context, dek []byte) (keys.Wrapped, error) {
	w, err := k.fakeKEK.Wrap(ctx, kc, dek)
	w.KID = []byte(k.as)
	return w, err
}
