package kekcache_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// message is what an envelope says about its key.
type message struct {
	dek        [chunker.KeySize]byte
	commitment [chunker.CommitmentSize]byte
	recipients []keys.Wrapped
	signature  []byte
	created    uint32
	place      string // that it comes from
}

// newMessage has the DEK wrapped for the named KEKs. Messages of one number
// have one DEK.
func newMessage(number byte, names ...string) *message {
	m := &message{dek: [chunker.KeySize]byte{number, 1}}
	m.commitment = chunker.Commitment(&m.dek)
	for _, name := range names {
		m.recipients = append(m.recipients, keys.Wrapped{Alg: keys.AlgA256KW, KID: []byte(name), Ciphertext: flip(nil, m.dek[:])})
	}
	return m
}

// unwrap asks c for the key of m, which is a self-contained envelope.
func (m *message) unwrap(ctx context.Context, c *kekcache.OpenKeys) (*kekcache.OpenedKey, error) {
	return c.Unwrap(ctx, m.place, m.sealed())
}

func (m *message) sealed() *kekcache.Sealed {
	return &kekcache.Sealed{
		Commitment: m.commitment[:], Signature: m.signature, Recipients: m.encoded(), Created: m.created,
	}
}

// check fails t unless k opens what is sealed under the DEK.
func (m *message) check(t *testing.T, k *kekcache.OpenedKey, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var dek chunker.DEK
	copy(dek.Bytes(), m.dek[:])
	sealing, err := dek.NewSealingKey(chunker.Counter)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sealing.NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal(nil, nil, []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := k.Open(nil, sealed[:chunker.IVSize], sealed[chunker.IVSize:], nil); err != nil || string(out) != "text" {
		t.Errorf("not the key: %q, %v", out, err)
	}
}

// opens fails t unless c has the key of m.
func (m *message) opens(t *testing.T, c *kekcache.OpenKeys) {
	t.Helper()
	k, err := m.unwrap(t.Context(), c)
	m.check(t, k, err)
}

func (m *message) refused(t *testing.T, c *kekcache.OpenKeys, want error) {
	t.Helper()
	if k, err := m.unwrap(t.Context(), c); !errors.Is(err, want) || k != nil {
		t.Errorf("got %v, want %v", err, want)
	}
}

func newOpening(t testing.TB, o kekcache.OpenKeysOptions, keks ...*fakeKEK) *kekcache.OpenKeys {
	t.Helper()
	if o.Codec == nil {
		o.Codec = fakeCodec{}
	}
	for _, k := range keks {
		o.Unwrappers = append(o.Unwrappers, k)
	}
	c, err := kekcache.NewOpenKeys(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOneUnwrapForAll: however many ask, at once and later, a DEK is unwrapped
// once, and its bytes stay in the cache only.
func TestOneUnwrapForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		kek.set(nil, time.Second)
		c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
		m := newMessage(1, "kek")
		for range 100 {
			go func() {
				if _, err := m.unwrap(t.Context(), c); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		m.opens(t, c)
		if kek.count() != 1 {
			t.Errorf("unwrapped %d times", kek.count())
		}
		if !kek.cleared() {
			t.Error("a DEK was left in memory")
		}
		newMessage(2, "kek").opens(t, c)
		if kek.count() != 2 {
			t.Error("another message's DEK was not unwrapped")
		}
	})
}

// TestOthersTakeOver: the one who unwraps for all gives up.
func TestOthersTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		log := &logged{}
		kek.set(nil, time.Hour)
		c := newOpening(t, kekcache.OpenKeysOptions{Log: log.logger()}, kek)
		m := newMessage(1, "kek")
		ended := make(chan error)
		ask := func() (cancel func()) {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				_, err := m.unwrap(ctx, c)
				ended <- err
			}()
			synctest.Wait()
			return cancel
		}
		first, second, third := ask(), ask(), ask()
		defer third()
		second()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		kek.fine()
		first()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		log.want(t) // the service was not away
	})
}

func TestKeysAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		kek.set(nil, 10*time.Second)
		c := newOpening(t, kekcache.OpenKeysOptions{MaxAge: time.Minute}, kek)
		m := newMessage(1, "kek")
		for range 3 {
			before := kek.count()
			m.opens(t, c)
			time.Sleep(time.Minute - 1)
			m.opens(t, c)
			if n := kek.count() - before; n != 1 {
				t.Errorf("unwrapped %d times within its age", n)
			}
			time.Sleep(time.Nanosecond)
		}
		kek.gone()
		if _, err := m.unwrap(t.Context(), c); err == nil {
			t.Error("an old key was used")
		}
	})
}

// TestBadKeysAreRemembered, but not for long: only recipients that say nothing
// to us, not a service's fault.
func TestBadKeysAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		kek.set(kek.fault(keys.BadWrap), 0)
		c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
		m := newMessage(1, "kek")
		for range 10 {
			m.refused(t, c, kekcache.ErrUnknownKey)
		}
		if kek.count() != 1 {
			t.Errorf("asked %d times", kek.count())
		}
		kek.fine()
		time.Sleep(time.Minute)
		m.opens(t, c)
	})
}

// TestCommitmentIsCompared, with the key just unwrapped and with the one in the
// cache.
func TestCommitmentIsCompared(t *testing.T) {
	kek := newKEK("kek")
	c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
	good, forged := newMessage(1, "kek"), newMessage(1, "kek")
	for i := range forged.commitment {
		forged.commitment[i] ^= 1
		forged.refused(t, c, kekcache.ErrWrongKey)
		good.opens(t, c)
		forged.refused(t, c, kekcache.ErrWrongKey)
		forged.commitment[i] ^= 1
	}
	if kek.count() != 1 {
		t.Errorf("unwrapped %d times", kek.count())
	}
	for _, size := range []int{0, 31, 33} {
		if _, err := c.Unwrap(t.Context(), "", &kekcache.Sealed{Commitment: make([]byte, size)}); !errors.Is(err, kekcache.ErrWrongKey) {
			t.Errorf("a commitment of %d bytes: %v", size, err)
		}
	}
}

func TestOpeningOptions(t *testing.T) {
	u := []keys.Unwrapper{newKEK("kek")}
	for name, o := range map[string]kekcache.OpenKeysOptions{
		"no key":          {Codec: fakeCodec{}},
		"no codec":        {Unwrappers: u},
		"negative number": {Unwrappers: u, Codec: fakeCodec{}, MaxKeys: -1},
		"negative age":    {Unwrappers: u, Codec: fakeCodec{}, MaxAge: -1},
	} {
		if _, err := kekcache.NewOpenKeys(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// remade returns a message of the DEK in m, which was changed.
func remade(m *message) *message {
	out := *m
	out.commitment = chunker.Commitment(&out.dek)
	for i := range out.recipients {
		out.recipients[i].Ciphertext = flip(nil, out.dek[:])
	}
	return &out
}
