package kekcache_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// junk is a message whose wrapped key does not unwrap, another one for each
// number.
func junk(number int) *message {
	m := newMessage(byte(number), "kek")
	m.recipients[0].Ciphertext = fmt.Append(nil, "junk ", number)
	return m
}

// TestAddedRecipientsCostNothing: of a genuine envelope with a stranger's
// recipients added the key is known, whatever they are and wherever they stand.
func TestAddedRecipientsCostNothing(t *testing.T) {
	kek, audit := newKEK("kek"), &fakeAudit{}
	second := newKEK("second")
	second.set(second.fault(keys.BadWrap), 0)
	c := newOpening(t, kekcache.OpenKeysOptions{Audit: audit}, second, kek)
	genuine := newMessage(1, "kek")
	genuine.opens(t, c)
	for n := range 600 {
		for _, added := range []keys.Wrapped{
			{Alg: -99999, KID: fmt.Append(nil, n), Ciphertext: []byte{1}},
			{Alg: keys.AlgA256KW, KID: []byte("second"), Ciphertext: fmt.Append(nil, n)},
		} {
			variant := *genuine
			variant.recipients = []keys.Wrapped{genuine.recipients[0], added}
			variant.opens(t, c)
			variant.recipients = []keys.Wrapped{added, genuine.recipients[0]}
			variant.opens(t, c)
		}
		forged := *genuine // a stranger's commitment, and genuine recipients
		forged.commitment = junk(n).commitment
		forged.commitment[31] ^= 1
		forged.refused(t, c, kekcache.ErrWrongKey)
	}
	if kek.count() != 1 || second.count() != 0 {
		t.Errorf("the KEK was asked %d times, the other one %d times", kek.count(), second.count())
	}
	audit.want(t, "unwrapped kek 1")
}

// TestBudgetOfAPlace: a place whose unwraps fail has so many of them, and then
// waits; other places do not.
func TestBudgetOfAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
		kek.set(kek.fault(keys.BadWrap), 0)
		began := time.Now()
		for n := range 150 {
			m := junk(n)
			m.place = "orders/0"
			m.refused(t, c, kekcache.ErrUnknownKey)
		}
		if took := time.Since(began); took < 19*time.Second || took > 21*time.Second {
			t.Errorf("150 failures took %s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			m := junk(1000)
			m.place = "orders/0"
			_, err := m.unwrap(ctx, c)
			ended <- err
		}()
		synctest.Wait()
		kek.fine()
		began = time.Now()
		for n := range byte(100) { // genuine ones of another place, and of this one that are known
			m := newMessage(n, "kek")
			m.place = "orders/1"
			m.opens(t, c)
			m.place = "orders/0"
			m.opens(t, c)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("others waited %s", took)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a wait that did not end: %v", err)
		}
		time.Sleep(10 * time.Second)
		began = time.Now()
		m := newMessage(200, "kek")
		m.place = "orders/0"
		m.opens(t, c)
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %s with a budget that is full again", took)
		}
	})
}

// TestGoodUnwrapsAreFree of any budget, and so are those of keys in this
// process.
func TestGoodUnwrapsAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
		began := time.Now()
		for n := range 2000 {
			m := newMessage(byte(n), "kek")
			m.dek[5] = byte(n >> 8)
			*m = *remade(m)
			m.opens(t, c)
		}
		kek.set(kek.fault(keys.BadWrap), 0)
		inProcess, err := kekcache.NewOpenKeys(kekcache.OpenKeysOptions{
			Unwrappers: []keys.Unwrapper{freeKEK{kek}}, Codec: fakeCodec{},
		})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2000 {
			junk(n).refused(t, inProcess, kekcache.ErrUnknownKey)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %s", took)
		}
	})
}

// TestBudgetOfRewrapping: the same for a program that rewraps.
func TestBudgetOfRewrapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newKEK("kek")
		c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{newKEK("to")}})
		genuine := newMessage(1, "kek")
		if _, err := genuine.rewrap(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for n := range 600 { // a stranger's recipients beside it
			variant := *genuine
			variant.recipients = []keys.Wrapped{{Alg: -99999, KID: fmt.Append(nil, n)}, genuine.recipients[0]}
			r, err := variant.rewrap(t.Context(), c)
			genuine.isFor(t, r, err, "to")
		}
		if old.count() != 1 {
			t.Errorf("asked %d times for variants of one envelope", old.count())
		}
		old.set(old.fault(keys.BadWrap), 0)
		began := time.Now()
		for n := range 100 {
			if _, err := junk(n).rewrap(t.Context(), c); !errors.Is(err, kekcache.ErrUnknownKey) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("100 failures took %s", took)
		}
	})
}

// TestStrangersCostNoCalls: keys that anybody can make, and that are not to
// become ones that vouch, cost the services no call each.
func TestStrangersCostNoCalls(t *testing.T) {
	old, to := newKEK("kek"), newKEK("to")
	c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{freeKEK{old}}, To: []keys.Wrapper{to}})
	for n := range byte(100) {
		m := newMessage(n, "kek")
		m.recipients[0].Alg = keys.AlgRSAOAEP256
		if _, err := m.rewrap(t.Context(), c); !errors.Is(err, kekcache.ErrUntrusted) {
			t.Fatal(err)
		}
	}
	if old.count() > 1 || to.count() > 1 {
		t.Errorf("%d unwraps and %d wraps", old.count(), to.count())
	}
	genuine := newMessage(200, "kek")
	genuine.recipients[0].Alg = keys.AlgA256KW
	r, err := genuine.rewrap(t.Context(), c)
	genuine.isFor(t, r, err, "to")
}

// TestBudgetOfVerifying: recipients that only say that they are for the new
// KEKs count when they do not unwrap.
func TestBudgetOfVerifying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newKEK("kek")
		c := newRewrapping(t, kekcache.RewrapKeysOptions{
			From: []keys.Unwrapper{newKEK("old")}, To: []keys.Wrapper{to}, Verify: true,
		})
		genuine := newMessage(1, "kek")
		if _, err := genuine.rewrap(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		to.set(to.fault(keys.BadWrap), 0)
		began := time.Now()
		for n := range 100 {
			if _, err := junk(n).rewrap(t.Context(), c); !errors.Is(err, kekcache.ErrUnknownKey) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("100 failures took %s", took)
		}
		began = time.Now()
		if _, err := genuine.rewrap(t.Context(), c); err != nil || time.Since(began) != 0 {
			t.Errorf("one that is known: %v, waited %s", err, time.Since(began))
		}
	})
}

// TestBudgetOfVerifyingRecords: the same for records of a store that only say
// that they are for the new KEKs. Each is asked for once, and of a kid only so
// many are.
func TestBudgetOfVerifyingRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, store := newKEK("kek"), newStore()
		c := newRewrapping(t, kekcache.RewrapKeysOptions{
			From: []keys.Unwrapper{newKEK("old")}, To: []keys.Wrapper{to}, Store: store, Verify: true,
		})
		to.set(to.fault(keys.BadWrap), 0)
		began := time.Now()
		for n := range 100 {
			m := junk(n)
			kid := [kekcache.KIDSize]byte(m.kid())
			store.records[kid] = append(store.records[kid], m.record(t))
			if _, _, err := c.RewrapRecord(t.Context(), "", m.kid()); !errors.Is(err, kekcache.ErrUnknownKey) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second || to.count() != 100 {
			t.Errorf("100 failures took %s and %d calls", took, to.count())
		}
		to.fine()
		genuine := newMessage(200, "old")
		kid := [kekcache.KIDSize]byte(genuine.kid())
		store.records[kid] = [][]byte{genuine.record(t)}
		for n := range byte(40) {
			claims := *genuine
			claims.recipients = newMessage(100+n, "kek").recipients
			store.records[kid] = append(store.records[kid], claims.record(t))
		}
		before := to.count()
		r, _, err := c.RewrapRecord(t.Context(), "", kid[:])
		if err != nil || r.Already || store.puts != 1 {
			t.Errorf("%+v, %v, %d records more", r, err, store.puts)
		}
		if n := to.count() - before; n != 16+1 {
			t.Errorf("%d records were verified", n-1)
		}
	})
}

// TestTriesOfAKID: a store can hold any number of records of a kid, of which a
// few are tried.
func TestTriesOfAKID(t *testing.T) {
	for junk, want := range map[int]error{15: nil, 16: kekcache.ErrWrongKey, 200: kekcache.ErrWrongKey} {
		m, store, kek := newMessage(1, "kek"), newStore(), newKEK("kek")
		kid := [kekcache.KIDSize]byte(m.kid())
		for n := range junk {
			lie := *m
			lie.recipients = newMessage(byte(n+2), "kek").recipients
			store.records[kid] = append(store.records[kid], lie.record(t), newMessage(99, "kek").record(t), []byte("no record"))
		}
		store.records[kid] = append(store.records[kid], m.record(t))
		c := newOpening(t, kekcache.OpenKeysOptions{Store: store}, kek)
		if _, err := c.Lookup(t.Context(), "", kid[:], 0); !errors.Is(err, want) {
			t.Errorf("%d records in front: %v", junk, err)
		}
		if n := kek.count(); n > 16 {
			t.Errorf("%d records in front: unwrapped %d times", junk, n)
		}
	}
}

// TestKeysAgeInHand: a key that is in use is looked at each time, and a KEK
// that is disabled opens nothing after its age.
func TestKeysAgeInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		c := newOpening(t, kekcache.OpenKeysOptions{MaxAge: time.Minute}, kek)
		m := newMessage(1, "kek")
		key, err := m.unwrap(t.Context(), c)
		m.check(t, key, err)
		for range 59 {
			if !c.IsLive(key, 0) {
				t.Fatal("too early")
			}
			time.Sleep(time.Second)
		}
		if !c.IsLive(key, 0) {
			t.Fatal("too early")
		}
		time.Sleep(time.Second + 50*time.Millisecond)
		if c.IsLive(key, 0) {
			t.Error("an old key is used")
		}
		if now := time.Now().Unix(); c.UnixNow() != now {
			t.Errorf("it is %d, not %d", now, c.UnixNow())
		}
	})
}
