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
			"Prepare":   func(o *outage) error { return o.c.Prepare(o.t.Context()) },
			"Take":      func(o *outage) error { _, err := o.h.Take(o.t.Context(), 1, 1); return err },
			"StreamKey": func(o *outage) error { _, err := o.c.StreamKey(o.t.Context()); return err },
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

// TestUnknownFaultIsNotRetried: what is no fault of a service is told to
// whoever wants to seal, also later on.
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

func TestFreshIsNoPartOfTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t)
		current := take(t, o.h).Key
		seen := map[*kekcache.Key]bool{current: true}
		for range 3 {
			g, err := o.c.StreamKey(t.Context())
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
		if _, err := o.c.StreamKey(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		o.state(kekcache.Restricted)
	})
}

func TestSealKeysOptions(t *testing.T) {
	kek := newKEK("kek")
	many := slices.Repeat(wrappers(kek), 17)
	for name, o := range map[string]sealingOptions{
		"no key":                {},
		"17 keys":               {Wrappers: many},
		"a nil key":             {Wrappers: wrappers(kek, nil)},
		"unknown nonces":        {Wrappers: wrappers(kek), Nonces: chunker.Nonces(7)},
		"negative age":          {Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: -time.Second}},
		"tiny age":              {Wrappers: wrappers(kek), Limits: kekcache.Limits{Age: time.Second - 1}},
		"2^40 bytes and one":    {Wrappers: wrappers(kek), Limits: kekcache.Limits{Bytes: 1<<40 + 1}},
		"2^32 messages and one": {Wrappers: wrappers(kek), Limits: kekcache.Limits{Messages: 1<<32 + 1}},
	} {
		if _, err := openSealing(o); err == nil {
			t.Errorf("%s was taken", name)
		}
		if err := o.Limits.Check(); (err != nil) != (o.Limits != kekcache.Limits{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, o := range map[string]kekcache.SealKeysOptions{
		"no codec":        {},
		"negative number": {Codec: fakeCodec{}, MaxPurposes: -1},
	} {
		if _, err := kekcache.NewSealKeys(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestPurposes: a Purpose that cannot be kept apart, or asks for too much, is
// an error at once.
func TestPurposes(t *testing.T) {
	c := newSealing(t, sealingOptions{Wrappers: wrappers(newKEK("kek"))})
	for name, p := range map[string]kekcache.Purpose{
		"no KEKs":                        {},
		"a signer that is no comparable": {KEKs: c.keks, Signer: sliceSigner{}},
		"a store that is no comparable":  {KEKs: c.keks, Store: sliceStore{}},
	} {
		if _, err := c.SealKeys.Supply(p); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// sliceSigner cannot be the key of a map.
type sliceSigner []byte

func (sliceSigner) Name() string                      { return "signer" }
func (sliceSigner) KID() (k [keys.SignerKIDSize]byte) { return k }
func (sliceSigner) Sign([]byte) ([]byte, error)       { return nil, nil }

// sliceStore cannot be the key of a map.
type sliceStore []kekcache.Store

func (sliceStore) Put(context.Context, [kekcache.KIDSize]byte, []byte) error { return nil }
func (sliceStore) Get(context.Context, [kekcache.KIDSize]byte) ([][]byte, error) {
	return nil, nil
}
func (sliceStore) Each(context.Context, func([kekcache.KIDSize]byte) error) error { return nil }
