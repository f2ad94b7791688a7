package kekcache_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestRewrapRefusals says what becomes of DEKs that cannot be rewrapped, and
// whether the answer is kept.
func TestRewrapRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		old, second, to keys.Class // -1: it works
		recipients      string
		want            any // nil, ErrUnknownKey or a keys.Class
		again           int // calls of old when asked again
	}{
		"none fits":           {-1, -1, -1, "x y", kekcache.ErrUnknownKey, 0},
		"bad, then good":      {keys.BadWrap, -1, -1, "old second", nil, 0},
		"bad":                 {keys.BadWrap, -1, -1, "old", kekcache.ErrUnknownKey, 0},
		"gone, then good":     {keys.Gone, -1, -1, "old second", nil, 0},
		"gone":                {keys.Gone, keys.BadWrap, -1, "old second", keys.Gone, 1},
		"away, then good":     {keys.Away, -1, -1, "old second", nil, 0},
		"the new KEK is gone": {-1, -1, keys.Gone, "old", keys.Gone, 1},
	} {
		t.Run(name, func(t *testing.T) {
			old, second, to, log := newKEK("old"), newKEK("second"), newKEK("to"), &diary{}
			for k, class := range map[*fakeKEK]keys.Class{old: test.old, second: test.second, to: test.to} {
				if class >= 0 {
					k.set(k.fault(class), 0)
				}
			}
			c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old, second}, To: []keys.Wrapper{to}, Audit: log})
			m := newMessage(1, strings.Fields(test.recipients)...)
			_, err := m.rewrap(t.Context(), c)
			var service *keys.Error
			switch want := test.want.(type) {
			case nil:
				if err != nil {
					t.Error(err)
				}
			case error:
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			case keys.Class:
				if !errors.As(err, &service) || service.Class != want {
					t.Errorf("got %v, want %v", err, want)
				}
			}
			if (err == nil) != (len(log.events) == 1) || (err == nil) != (c.CountMoved() == 1) {
				t.Errorf("%d events, %d moved, %v", len(log.events), c.CountMoved(), err)
			}
			calls := old.count()
			if _, again := m.rewrap(t.Context(), c); (again == nil) != (err == nil) || old.count() != calls+test.again {
				t.Errorf("again: %v after %d calls", again, old.count()-calls)
			}
			if !old.cleared() || !to.cleared() {
				t.Error("a DEK was left in memory")
			}
		})
	}
}

// TestRewrapRefusalIsForgotten: a KEK service that did not unwrap is asked
// again some time later.
func TestRewrapRefusalIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newKEK("old")
		old.set(old.fault(keys.BadWrap), 0)
		c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{newKEK("to")}})
		m := newMessage(1, "old")
		if _, err := m.rewrap(t.Context(), c); !errors.Is(err, kekcache.ErrUnknownKey) {
			t.Fatal(err)
		}
		old.fine()
		time.Sleep(time.Minute)
		r, err := m.rewrap(t.Context(), c)
		m.isFor(t, r, err, "to")
	})
}

// TestRewrapRefusalIsKept: what was refused is not asked for with each of its
// envelopes.
func TestRewrapRefusalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, to, store := newKEK("old"), newKEK("to"), newStore()
		c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{to, newKEK("too")}, Store: store, Verify: true})
		bad := newMessage(1, "old")
		bad.recipients[0].Ciphertext[0]++ // unwraps to another DEK
		store.records[[kekcache.KIDSize]byte(bad.kid())] = [][]byte{bad.record(t)}
		two := newMessage(2, "to", "too")
		two.recipients[1].Ciphertext[0]++ // two recipients, two DEKs
		for range 3 {
			if _, _, err := c.RewrapRecord(t.Context(), "", bad.kid()); !errors.Is(err, kekcache.ErrWrongKey) {
				t.Errorf("a record of another DEK: %v", err)
			}
			if _, _, err := c.RewrapRecord(t.Context(), "", newMessage(3).kid()); !errors.Is(err, kekcache.ErrUnknownKey) {
				t.Errorf("no record: %v", err)
			}
			if _, err := two.rewrap(t.Context(), c); !errors.Is(err, kekcache.ErrWrongKey) {
				t.Errorf("two DEKs: %v", err)
			}
		}
		if old.count() != 1 || to.count() != 2 || store.gets != 2 {
			t.Errorf("%d calls of the old KEK, %d of the new one, %d reads of the store", old.count(), to.count(), store.gets)
		}
		good := newMessage(1, "old")
		store.records[[kekcache.KIDSize]byte(bad.kid())] = [][]byte{bad.record(t), good.record(t)}
		time.Sleep(5 * time.Second)
		if _, _, err := c.RewrapRecord(t.Context(), "", good.kid()); err != nil {
			t.Errorf("a record that came later: %v", err)
		}
	})
}

// TestRewrapAlreadyIsExact: two names of one KEK do not make an old recipient
// one of the new ones.
func TestRewrapAlreadyIsExact(t *testing.T) {
	old, to := newKEK("old"), newKEK("to")
	alias := publicKEK{to}
	c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{to, alias}})
	m := newMessage(1, "to", "old")
	r, err := m.rewrap(t.Context(), c)
	m.isFor(t, r, err, "to", "to")
}

// TestRewrapPanicOfAService leaves nobody waiting for ever.
func TestRewrapPanicOfAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &panicky{fakeKEK: newKEK("to"), left: 1}
		c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{newKEK("old")}, To: []keys.Wrapper{to}})
		m := newMessage(1, "old")
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = m.rewrap(t.Context(), c)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := m.rewrap(ctx, c)
		m.isFor(t, r, err, "to")
	})
}

// TestRewrapForged: envelopes with another one's recipients cost one unwrap,
// and do not harm the genuine ones.
func TestRewrapForged(t *testing.T) {
	old := newKEK("old")
	c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{newKEK("to")}})
	m, forged := newMessage(1, "old"), newMessage(2)
	forged.recipients = m.recipients
	for range 3 {
		if _, err := forged.rewrap(t.Context(), c); !errors.Is(err, kekcache.ErrWrongKey) {
			t.Errorf("got %v", err)
		}
		r, err := m.rewrap(t.Context(), c)
		m.isFor(t, r, err, "to")
	}
	if old.count() != 1 {
		t.Errorf("%d unwraps", old.count())
	}
	if _, _, err := c.RewrapRecipients(t.Context(), "", &kekcache.Sealed{Commitment: m.commitment[:5], Recipients: m.encoded()}); !errors.Is(err, kekcache.ErrWrongKey) {
		t.Errorf("short commitment: %v", err)
	}
}
