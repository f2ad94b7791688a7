package kekcache_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

func names(recipients []keys.Wrapped) (all []string) {
	for _, r := range recipients {
		all = append(all, string(r.KID))
	}
	return all
}

// TestEveryKEKWraps: one recipient each, in the order of the configuration, and
// all of the same DEK.
func TestEveryKEKWraps(t *testing.T) {
	dek := bytes.Repeat([]byte{7}, chunker.KeySize)
	a, b := newKEK("a"), newKEK("b")
	g, second := &fakeGenerator{newKEK("g"), dek}, &fakeGenerator{newKEK("second"), nil}
	for _, test := range []struct {
		wrappers []keys.Wrapper
		want     []string
		dek      []byte // nil: of this process
	}{
		{wrappers(a), []string{"a"}, nil},
		{wrappers(b, a), []string{"b", "a"}, nil},
		{wrappers(g), []string{"g"}, dek},
		{wrappers(a, g, b, second), []string{"a", "g", "b", "second"}, dek},
	} {
		c := newSealing(t, sealingOptions{Wrappers: test.wrappers})
		key := take(t, c.Quota()).Key
		if !slices.Equal(names(key.Recipients), test.want) {
			t.Errorf("recipients %q, want %q", names(key.Recipients), test.want)
		}
		for _, r := range key.Recipients {
			got := [chunker.KeySize]byte(flip(nil, r.Ciphertext))
			if chunker.Commitment(&got) != key.Commitment || test.dek != nil && !bytes.Equal(got[:], test.dek) {
				t.Errorf("%s wrapped another key", r.KID)
			}
		}
		if key.ByReference || key.KID() != [kekcache.KIDSize]byte(key.Commitment[:kekcache.KIDSize]) {
			t.Errorf("by reference: %v, kid %x", key.ByReference, key.KID())
		}
	}
	if g.count() != 2 || second.count() != 1 {
		t.Errorf("g was called %d times for two keys, second %d times for one", g.count(), second.count())
	}
	if !a.cleared() || !b.cleared() || !g.cleared() || !second.cleared() {
		t.Error("a DEK was left in memory")
	}
}

func TestGeneratedKeyOfWrongSize(t *testing.T) {
	for _, size := range []int{0, 31, 33} {
		g := &fakeGenerator{newKEK("g"), bytes.Repeat([]byte{7}, size)}
		c := newSealing(t, sealingOptions{Wrappers: wrappers(g)})
		if err := c.Prepare(t.Context()); err == nil {
			t.Errorf("%d bytes were taken", size)
		}
		if !g.cleared() {
			t.Errorf("a DEK of %d bytes was left in memory", size)
		}
	}
}

// TestRecordBeforeKey: a key is granted only when its record is durable, and
// the record has a lease of its own.
func TestRecordBeforeKey(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(*sealing) func()) {
		kek, store := newKEK("kek"), newStore()
		store.takes = 2 * time.Second
		c := newSealing(t, sealingOptions{
			Wrappers: wrappers(kek), Limits: kekcache.Limits{Messages: 10}, Store: store,
		})
		defer start(c)()
		h := c.Quota()
		for range 100 {
			g := take(t, h)
			checkRecord(t, store, g)
		}
		g, err := c.StreamKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		checkRecord(t, store, g)
	})
}

func checkRecord(t *testing.T, store *fakeStore, g *kekcache.Grant) {
	t.Helper()
	records, err := store.Get(t.Context(), g.Key.KID())
	if err != nil || len(records) != 1 || !g.Key.ByReference {
		t.Fatalf("%d records, %v", len(records), err)
	}
	commitment, iv := records[0][:chunker.CommitmentSize], records[0][chunker.CommitmentSize:]
	sealed, err := g.Sealer.Seal(nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(sealed[:4], iv[:4]) {
		t.Errorf("record and message have lease %x", iv[:4])
	}
	if !bytes.Equal(commitment, g.Key.Commitment[:]) {
		t.Error("another key's record")
	}
}

func TestManyHoldersOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		kek.set(nil, time.Second)
		c := newSealing(t, sealingOptions{Wrappers: wrappers(kek)})
		got := make(chan *kekcache.Key)
		for range 100 {
			go func() { got <- key(t, c.Quota()) }()
		}
		first := <-got
		for range 99 {
			if <-got != first {
				t.Error("more than one key")
			}
		}
		if kek.count() != 1 {
			t.Errorf("%d calls", kek.count())
		}
	})
}
