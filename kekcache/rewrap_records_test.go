package kekcache_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestRewrapRecords says which of several records of a kid is rewrapped.
func TestRewrapRecords(t *testing.T) {
	good, other := newMessage(1, "old"), newMessage(2, "old")
	done, foreign, bad, claims := newMessage(1, "to"), newMessage(1, "x"), newMessage(1, "old"), newMessage(1, "to")
	bad.recipients[0].Ciphertext[0]++    // unwraps to another DEK
	claims.recipients[0].Ciphertext[0]++ // likewise, for the new KEK
	for name, test := range map[string]struct {
		records []*message
		verify  bool
		already bool
		puts    int
		want    error
	}{
		"one":                          {[]*message{good}, false, false, 1, nil},
		"none":                         {nil, false, false, 0, kekcache.ErrUnknownKey},
		"done":                         {[]*message{good, done}, false, true, 0, nil},
		"done, verified":               {[]*message{good, done}, true, true, 0, nil},
		"foreign ones are skipped":     {[]*message{foreign, other, good}, false, false, 1, nil},
		"only foreign ones":            {[]*message{foreign, other}, false, false, 0, kekcache.ErrUnknownKey},
		"one of another DEK":           {[]*message{bad, good}, false, false, 1, nil},
		"only one of another DEK":      {[]*message{bad}, false, false, 0, kekcache.ErrWrongKey},
		"done only as it says":         {[]*message{good, claims}, true, false, 1, nil},
		"done only as it says, no old": {[]*message{claims}, true, false, 0, kekcache.ErrWrongKey},
	} {
		t.Run(name, func(t *testing.T) {
			old, to, store := newKEK("old"), newKEK("to"), newStore()
			kid := [kekcache.KIDSize]byte(good.kid())
			for _, m := range test.records {
				store.records[kid] = append(store.records[kid], m.record(t))
			}
			c := newRewrapping(t, kekcache.RewrapKeysOptions{
				From: []keys.Unwrapper{old}, To: []keys.Wrapper{to}, Store: store, Verify: test.verify,
			})
			r, _, err := c.RewrapRecord(t.Context(), "", kid[:])
			if !errors.Is(err, test.want) || err == nil && r.Already != test.already || store.puts != test.puts {
				t.Errorf("%v, %d puts", err, store.puts)
			}
			if test.puts == 1 {
				now := store.records[kid][len(test.records)]
				split, err := fakeCodec{}.SplitRecord(now)
				good.isFor(t, &kekcache.Rewrapped{Recipients: split.Recipients}, err, "to")
				old, _ := fakeCodec{}.SplitRecord(good.record(t))
				if !bytes.HasPrefix(now, good.record(t)[:len(good.record(t))-len(old.Recipients)]) {
					t.Error("more than the recipients changed")
				}
			}
			if err == nil {
				if _, _, err := c.RewrapRecord(t.Context(), "", kid[:]); err != nil || store.gets != 1 {
					t.Errorf("asked again: %v, %d reads of the store", err, store.gets)
				}
			}
			if !old.cleared() || !to.cleared() {
				t.Error("a DEK was left in memory")
			}
		})
	}
}

// TestRewrapRecordsWait: a store that is away is waited for, when it is read
// and when it is written, and nothing is done twice.
func TestRewrapRecordsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, store, log := newKEK("old"), newStore(), &logged{}
		m := newMessage(1, "old")
		kid := [kekcache.KIDSize]byte(m.kid())
		store.records[kid] = [][]byte{m.record(t)}
		c := newRewrapping(t, kekcache.RewrapKeysOptions{
			From: []keys.Unwrapper{old}, To: []keys.Wrapper{newKEK("to")}, Store: store, Log: log.logger(),
		})
		store.fail(errors.New("gone fishing"))
		time.AfterFunc(time.Hour, func() { store.fail(nil) })
		before := time.Now()
		if _, _, err := c.RewrapRecord(t.Context(), "", kid[:]); err != nil || time.Since(before) < time.Hour {
			t.Errorf("%v after %s", err, time.Since(before))
		}
		if old.count() != 1 || store.puts != 1 || len(store.records[kid]) != 2 {
			t.Errorf("%d unwraps, %d puts, %d records", old.count(), store.puts, len(store.records[kid]))
		}
		log.want(t, "WARN the key store is away error=gone fishing", "INFO the key store is back")
	})
}

func TestRewrapWithoutStore(t *testing.T) {
	c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{newKEK("old")}, To: []keys.Wrapper{newKEK("to")}})
	kid := newMessage(1).kid()
	for _, name := range [][]byte{kid, kid[:3]} {
		if _, _, err := c.RewrapRecord(t.Context(), "", name); !errors.Is(err, kekcache.ErrUnknownKey) {
			t.Errorf("got %v", err)
		}
	}
}
