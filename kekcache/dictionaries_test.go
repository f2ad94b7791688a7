package kekcache_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestDictionariesForOthersAreNoTries: a dictionary that was rewrapped again
// and again has many records that no KEK fits, and a stranger may add some that
// nobody signed. They do not hide the one behind them.
func TestDictionariesForOthersAreNoTries(t *testing.T) {
	name := [kekcache.KIDSize]byte{1, 2, 3, 4, 5}
	hint := [kekcache.HintSize]byte(name[:])
	signer := newSigner(t)
	var others [][]byte
	for n := range byte(40) {
		theirs := newMessage(1, "x")
		theirs.recipients[0].Ciphertext[0] += n
		unsigned := newMessage(n+2, "a")
		others = append(others, theirs.sign(t, signer, "", 0, 0).record(t), unsigned.record(t), []byte("junk"))
	}
	good := newMessage(1, "a").sign(t, signer, "", 0, 0).record(t)
	signers := []keys.Verifier{signer}
	t.Run("opening", func(t *testing.T) {
		store := newStore()
		store.records[name] = append(slices.Clone(others), good)
		c := newOpening(t, kekcache.OpenKeysOptions{Store: store, Signers: signers}, newKEK("a"))
		found, err := c.ReadDictionaries(t.Context(), hint)
		if err != nil || len(found) != 1 || found[0].Name != name ||
			len(found[0].Records) != 1 || !bytes.Equal(found[0].Records[0], good) {
			t.Errorf("%d names, %v", len(found), err)
		}
	})
	t.Run("opening too many", func(t *testing.T) {
		store := newStore()
		store.records[name] = slices.Repeat([][]byte{good}, 40)
		c := newOpening(t, kekcache.OpenKeysOptions{Store: store}, newKEK("a"))
		if found, err := c.ReadDictionaries(t.Context(), hint); err != nil || len(found) != 1 || len(found[0].Records) != 16 {
			t.Errorf("%d names, %v", len(found), err)
		}
	})
	rewrap := func(store *fakeStore) error {
		return newRewrapping(t, kekcache.RewrapKeysOptions{
			From: []keys.Unwrapper{newKEK("a")}, To: []keys.Wrapper{newKEK("to")}, Store: store, Signers: signers,
		}).RewrapDictionaries(t.Context(), "", hint)
	}
	t.Run("rewrapping", func(t *testing.T) {
		store := newStore()
		store.records[name] = append(slices.Clone(others), good)
		for range 2 { // the second one finds what the first has done
			if err := rewrap(store); err != nil || store.puts != 1 {
				t.Errorf("%v, %d records more", err, store.puts)
			}
		}
		records := store.records[name]
		split, err := fakeCodec{}.SplitRecord(records[len(records)-1])
		newMessage(1).isFor(t, &kekcache.Rewrapped{Recipients: split.Recipients}, err, "to")
	})
	t.Run("rewrapping nothing but others", func(t *testing.T) {
		store := newStore()
		store.records[name] = others
		if err := rewrap(store); !errors.Is(err, kekcache.ErrUnknownKey) || store.puts != 0 {
			t.Errorf("%v, %d records more", err, store.puts)
		}
	})
	t.Run("rewrapping key records", func(t *testing.T) {
		store, m := newStore(), newMessage(1, "x").sign(t, signer, "", 0, 0)
		store.records[[kekcache.KIDSize]byte(m.kid())] = [][]byte{m.record(t)}
		hint = [kekcache.HintSize]byte(m.kid())
		if err := rewrap(store); err != nil || store.puts != 0 {
			t.Errorf("%v, %d records more", err, store.puts)
		}
	})
}
