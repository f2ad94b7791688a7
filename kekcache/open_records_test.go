package kekcache_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

func (m *message) kid() []byte { return m.commitment[:kekcache.KIDSize] }

// record is m's key record.
func (m *message) record(t *testing.T) []byte {
	t.Helper()
	return fakeRecord(m.sealed(), make([]byte, chunker.IVSize))
}

// lying is a record with m's kid, but another commitment or another key.
func (m *message) lying(t *testing.T, commitment, dek bool) []byte {
	t.Helper()
	other := newMessage(99, "a", "b")
	lie := *m
	if commitment {
		lie.commitment[31] ^= 1
	}
	if dek {
		lie.recipients = other.recipients
	}
	return lie.record(t)
}

// TestRecordsOfOneKid: the first record whose commitment verifies counts, and
// what is wrong with the others does not matter then. The DEK is always that of
// message 1.
func TestRecordsOfOneKid(t *testing.T) {
	m := newMessage(1, "a")
	good := m.record(t)
	ours, strange := newMessage(1, "b").record(t), newMessage(1, "x").record(t)
	junk, longer, forged := []byte("junk"), m.lying(t, true, false), m.lying(t, false, true)
	other := newMessage(2, "a").record(t) // stored under the wrong kid
	for name, test := range map[string]struct {
		records [][]byte
		a       func(*fakeKEK) // nil: it works
		want    error
		class   keys.Class // with want nil: of the *keys.Error, if a is gone
		calls   int
	}{
		"none":                     {nil, nil, kekcache.ErrUnknownKey, 0, 0},
		"one":                      {[][]byte{good}, nil, nil, 0, 1},
		"the first":                {[][]byte{good, forged}, nil, nil, 0, 1},
		"behind what is no record": {[][]byte{junk, good}, nil, nil, 0, 1},
		"behind one for others":    {[][]byte{strange, good}, nil, nil, 0, 1},
		"behind a forged one":      {[][]byte{forged, longer, other, good}, nil, nil, 0, 2}, // of the latter two one key is wrapped alike
		"rewrapped for b":          {[][]byte{good, ours}, (*fakeKEK).gone, nil, 0, 1},
		"rewrapped, a is away":     {[][]byte{good, ours}, (*fakeKEK).away, nil, 0, 1},
		"no record":                {[][]byte{junk}, nil, kekcache.ErrUnknownKey, 0, 0},
		"for others":               {[][]byte{strange}, nil, kekcache.ErrUnknownKey, 0, 0},
		"another commitment":       {[][]byte{longer}, nil, kekcache.ErrWrongKey, 0, 1},
		"another key":              {[][]byte{forged}, nil, kekcache.ErrWrongKey, 0, 1},
		"another kid":              {[][]byte{other}, nil, kekcache.ErrUnknownKey, 0, 0},
		"forged, and for others":   {[][]byte{forged, strange, junk}, nil, kekcache.ErrWrongKey, 0, 1},
		"gone":                     {[][]byte{strange, good}, (*fakeKEK).gone, errGone, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, store := newKEK("a"), newKEK("b"), newStore()
			if test.a != nil {
				test.a(a)
			}
			store.records[[kekcache.KIDSize]byte(m.kid())] = test.records
			c := newOpening(t, kekcache.OpenKeysOptions{Store: store}, a, b)
			k, err := c.Lookup(t.Context(), "", m.kid(), 0)
			var service *keys.Error
			switch {
			case test.want == nil:
				m.check(t, k, err)
			case test.want == errGone:
				if !errors.As(err, &service) || service.Class != keys.Gone {
					t.Errorf("got %v, want one that is gone", err)
				}
			case !errors.Is(err, test.want):
				t.Errorf("got %v, want %v", err, test.want)
			}
			if a.count() != test.calls {
				t.Errorf("a was asked %d times, want %d", a.count(), test.calls)
			}
			if !a.cleared() || !b.cleared() {
				t.Error("a DEK was left in memory")
			}
		})
	}
}

// TestRecordsForOthersAreNoTries: a DEK that was rewrapped again and again has
// many records that no KEK of the reader fits. They cost nothing, so they do
// not keep it from the one behind them.
func TestRecordsForOthersAreNoTries(t *testing.T) {
	m := newMessage(1, "a")
	var strange [][]byte
	for n := range byte(40) {
		theirs := newMessage(1, "x")
		theirs.recipients[0].Ciphertext[0] += n
		strange = append(strange, theirs.record(t))
	}
	kid := [kekcache.KIDSize]byte(m.kid())
	a, old, store := newKEK("a"), newKEK("a"), newStore()
	store.records[kid] = append(slices.Clone(strange), m.record(t))
	c := newOpening(t, kekcache.OpenKeysOptions{Store: store}, a)
	k, err := c.Lookup(t.Context(), "", m.kid(), 0)
	m.check(t, k, err)
	if a.count() != 1 {
		t.Errorf("asked %d times", a.count())
	}
	var lying [][]byte
	for n := range byte(17) {
		lie := newMessage(1, "a")
		lie.recipients[0].Ciphertext[0] += 1 + n
		lying = append(lying, lie.record(t))
	}
	store.records[kid] = append(slices.Clone(lying), m.record(t))
	c = newOpening(t, kekcache.OpenKeysOptions{Store: store}, a)
	if _, err := c.Lookup(t.Context(), "", m.kid(), 0); !errors.Is(err, kekcache.ErrWrongKey) || a.count() != 1+16 {
		t.Errorf("17 that fit: %v, %d calls", err, a.count()-1)
	}
	for name, options := range map[string]kekcache.RewrapKeysOptions{"in the store": {Store: store}, "of a file": {}} {
		store.records[kid] = append(slices.Clone(strange), m.record(t))
		options.From, options.To = []keys.Unwrapper{old}, []keys.Wrapper{newKEK("to")}
		r := newRewrapping(t, options)
		if options.Store == nil {
			for _, record := range store.records[kid] {
				if err := r.KeepRecord(record); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, _, err := r.RewrapRecord(t.Context(), "", m.kid()); err != nil {
			t.Errorf("rewrapped %s: %v", name, err)
		}
	}
}

var errGone = errors.New("gone")

// TestRecordMayComeLater: that a kid is unknown, or has a forged record only,
// is remembered for a moment, so that a flood does not reach the store and the
// KEKs. That it is known is remembered for good.
func TestRecordMayComeLater(t *testing.T) {
	m := newMessage(1, "a")
	for name, test := range map[string]struct {
		before [][]byte
		want   error
		calls  int // of the KEK, for each time that the store is read
	}{
		"none":    {nil, kekcache.ErrUnknownKey, 0},
		"strange": {[][]byte{newMessage(1, "x").record(t)}, kekcache.ErrUnknownKey, 0},
		"forged":  {[][]byte{m.lying(t, false, true)}, kekcache.ErrWrongKey, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kek, store := newKEK("a"), newStore()
				c := newOpening(t, kekcache.OpenKeysOptions{Store: store}, kek)
				store.records[[kekcache.KIDSize]byte(m.kid())] = test.before
				for range 2 {
					for range 10 {
						if _, err := c.Lookup(t.Context(), "", m.kid(), 0); !errors.Is(err, test.want) {
							t.Fatal(err)
						}
					}
					time.Sleep(5 * time.Second)
				}
				if store.gets != 2 || kek.count() != test.calls {
					t.Errorf("in two spans read %d times, unwrapped %d times", store.gets, kek.count())
				}
				if err := store.Put(t.Context(), [kekcache.KIDSize]byte(m.kid()), m.record(t)); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					k, err := c.Lookup(t.Context(), "", m.kid(), 0)
					m.check(t, k, err)
				}
				if store.gets != 3 || kek.count() != test.calls+1 {
					t.Errorf("read %d times, unwrapped %d times", store.gets, kek.count())
				}
			})
		})
	}
}

func TestWaitForStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := newStore(), &logged{}
		c := newOpening(t, kekcache.OpenKeysOptions{Store: store, Log: log.logger()}, newKEK("a"))
		m := newMessage(1, "a")
		store.records[[kekcache.KIDSize]byte(m.kid())] = [][]byte{m.record(t)}
		store.fail(errors.New("no disk"))
		time.AfterFunc(time.Hour, func() { store.fail(nil) })
		before := time.Now()
		k, err := c.Lookup(t.Context(), "", m.kid(), 0)
		m.check(t, k, err)
		if waited := time.Since(before); waited < time.Hour || waited > time.Hour+lastWait {
			t.Errorf("waited %s", waited)
		}
		log.want(t, "WARN the key store is away error=no disk", "INFO the key store is back")

		store.fail(errors.New("no disk"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Lookup(ctx, "", newMessage(2, "a").kid(), 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestLookupOfWhatIsNoKid(t *testing.T) {
	store := newStore()
	with := newOpening(t, kekcache.OpenKeysOptions{Store: store}, newKEK("a"))
	for _, size := range []int{0, 15, 17, 32} {
		if _, err := with.Lookup(t.Context(), "", make([]byte, size), 0); !errors.Is(err, kekcache.ErrUnknownKey) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	without := newOpening(t, kekcache.OpenKeysOptions{}, newKEK("a"))
	if _, err := without.Lookup(t.Context(), "", make([]byte, kekcache.KIDSize), 0); !errors.Is(err, kekcache.ErrUnknownKey) {
		t.Errorf("without a store: %v", err)
	}
}

func TestFromRecord(t *testing.T) {
	m := newMessage(1, "a")
	kek := newKEK("a")
	c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
	k, err := c.FromRecord(t.Context(), "", m.record(t), m.kid(), 0)
	m.check(t, k, err)
	for name, test := range map[string]struct {
		record, kid []byte
		want        error
	}{
		"another commitment": {m.lying(t, true, false), m.kid(), kekcache.ErrWrongKey},
		"another key":        {m.lying(t, false, true), m.kid(), kekcache.ErrWrongKey},
		"another kid":        {m.record(t), newMessage(2, "a").kid(), kekcache.ErrWrongKey},
		"short kid":          {m.record(t), m.kid()[:15], kekcache.ErrWrongKey},
		"no kid":             {m.record(t), nil, kekcache.ErrWrongKey},
		"for others":         {newMessage(1, "x").record(t), m.kid(), kekcache.ErrUnknownKey},
	} {
		if k, err := c.FromRecord(t.Context(), "", test.record, test.kid, 0); k != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.FromRecord(t.Context(), "", []byte("junk"), m.kid(), 0); err != errNoRecord {
		t.Errorf("junk: %v, not the Codec's error as it is", err)
	}
	if !kek.cleared() {
		t.Error("a DEK was left in memory")
	}
}
