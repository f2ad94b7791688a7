package kekcache_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestWhichKEKs says which of two KEKs, "a" and then "b", are asked, and what
// becomes of it.
func TestWhichKEKs(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		recipients string
		a, b       keys.Class // -1: it works
		askA, askB int
		want       any // nil, ErrUnknownKey, broken, or a keys.Class
	}{
		"only one fits":             {"x b y", -1, -1, 0, 1, nil},
		"order of configuration":    {"b a", -1, -1, 1, 0, nil},
		"none fits":                 {"x y", -1, -1, 0, 0, kekcache.ErrUnknownKey},
		"no recipients":             {"", -1, -1, 0, 0, kekcache.ErrUnknownKey},
		"first does not unwrap":     {"a b", keys.BadWrap, -1, 1, 1, nil},
		"none unwraps":              {"a b", keys.BadWrap, keys.BadWrap, 1, 1, kekcache.ErrUnknownKey},
		"once each":                 {"a a b b", keys.BadWrap, keys.BadWrap, 1, 1, kekcache.ErrUnknownKey},
		"first is gone":             {"a b", keys.Gone, -1, 1, 1, nil},
		"first is gone, last bad":   {"a b", keys.Gone, keys.BadWrap, 1, 1, keys.Gone},
		"first is bad, last gone":   {"a b", keys.BadWrap, keys.Gone, 1, 1, keys.Gone},
		"first is away":             {"a b", keys.Away, -1, 1, 1, nil},
		"first breaks its contract": {"a b", 99, keys.BadWrap, 1, 1, broken},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newKEK("a"), newKEK("b")
			for k, class := range map[*fakeKEK]keys.Class{a: test.a, b: test.b} {
				switch class {
				case -1:
				case 99:
					k.set(broken, 0)
				default:
					k.set(k.fault(class), 0)
				}
			}
			c := newOpening(t, kekcache.OpenKeysOptions{}, a, b)
			m := newMessage(1, strings.Fields(test.recipients)...)
			k, err := m.unwrap(t.Context(), c)
			var service *keys.Error
			switch want := test.want.(type) {
			case nil:
				m.check(t, k, err)
			case error:
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			case keys.Class:
				if !errors.As(err, &service) || service.Class != want || errors.Is(err, kekcache.ErrUnknownKey) {
					t.Errorf("got %v, want %v", err, want)
				}
			}
			if a.count() != test.askA || b.count() != test.askB {
				t.Errorf("a was asked %d times, b %d times", a.count(), b.count())
			}
		})
	}
}

// TestGoneIsNotRemembered: a KEK that can be used again is used.
func TestGoneIsNotRemembered(t *testing.T) {
	kek := newKEK("kek")
	kek.gone()
	c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
	m := newMessage(1, "kek")
	if _, err := m.unwrap(t.Context(), c); err == nil {
		t.Fatal("no error")
	}
	kek.fine()
	m.opens(t, c)
}

func TestWaitForServiceThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek, bad, log := newKEK("kek"), newKEK("bad"), &logged{}
		kek.away()
		bad.set(bad.fault(keys.BadWrap), 0)
		c := newOpening(t, kekcache.OpenKeysOptions{Log: log.logger()}, bad, kek)
		m := newMessage(1, "bad", "kek")
		time.AfterFunc(time.Hour, kek.fine)
		before := time.Now()
		m.opens(t, c)
		if waited := time.Since(before); waited < time.Hour || waited > time.Hour+lastWait {
			t.Errorf("waited %s", waited)
		}
		if n := kek.count(); n < mostWaits(time.Hour)/2 || n > mostWaits(time.Hour) {
			t.Errorf("asked %d times in an hour", n)
		}
		if bad.count() != 1 {
			t.Errorf("asked a KEK %d times that does not unwrap", bad.count())
		}
		log.want(t, "WARN a key service is away error=kek: test: away", "INFO a key service is back key=kek")

		kek.away()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := newMessage(2, "kek").unwrap(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestAgeCountsFromUnwrap: a key that was long waited for is kept as long as
// any other.
func TestAgeCountsFromUnwrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := newKEK("kek")
		kek.away()
		c := newOpening(t, kekcache.OpenKeysOptions{MaxAge: time.Minute}, kek)
		m := newMessage(1, "kek")
		time.AfterFunc(time.Hour, kek.fine)
		m.opens(t, c)
		before := kek.count()
		time.Sleep(30 * time.Second)
		m.opens(t, c)
		if kek.count() != before {
			t.Error("unwrapped again")
		}
	})
}

func TestUnwrappedKeyOfWrongSize(t *testing.T) {
	for _, size := range []int{0, 16, 31, 33} {
		kek := newKEK("kek")
		c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
		m := newMessage(1, "kek")
		m.recipients[0].Ciphertext = make([]byte, size)
		m.refused(t, c, kekcache.ErrUnknownKey)
		if !kek.cleared() {
			t.Errorf("%d bytes were left in memory", size)
		}
	}
}

// TestUnreadableRecipients: the error is the parser's, and asked for again each
// time.
func TestUnreadableRecipients(t *testing.T) {
	codec := &brokenCodec{err: errors.New("malformed")}
	c := newOpening(t, kekcache.OpenKeysOptions{Codec: codec}, newKEK("kek"))
	for want := 1; want <= 2; want++ {
		_, err := c.Unwrap(t.Context(), "", &kekcache.Sealed{Commitment: make([]byte, chunker.CommitmentSize)})
		if !errors.Is(err, codec.err) || codec.calls != want {
			t.Errorf("%v after %d calls", err, codec.calls)
		}
	}
}

// brokenCodec cannot read recipients.
type brokenCodec struct {
	fakeCodec
	err   error
	calls int
}

func (c *brokenCodec) ParseRecipients([]byte) ([]keys.Wrapped, int, error) {
	c.calls++
	return nil, 0, c.err
}

// TestRecipientsThatDisagree: as the specification has it (section 4), the
// first KEK in the order of the configuration that unwraps anything decides,
// and if that is not the envelope's own key, no other is tried.
func TestRecipientsThatDisagree(t *testing.T) {
	good, other := newMessage(1, "a", "b"), newMessage(2, "a", "b")
	for name, test := range map[string]struct {
		a, b  *message // whose DEK is wrapped for a and b
		order []string
		want  error
		kek   string // in the error
	}{
		"a is wrong, a first": {other, good, []string{"a", "b"}, kekcache.ErrWrongKey, "a"},
		"a is wrong, b first": {other, good, []string{"b", "a"}, nil, ""},
		"b is wrong, a first": {good, other, []string{"a", "b"}, nil, ""},
		"b is wrong, b first": {good, other, []string{"b", "a"}, kekcache.ErrWrongKey, "b"},
		"both are wrong":      {other, other, []string{"a", "b"}, kekcache.ErrWrongKey, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			var keks []*fakeKEK
			for _, k := range test.order {
				keks = append(keks, newKEK(k))
			}
			c := newOpening(t, kekcache.OpenKeysOptions{}, keks...)
			m := *good
			m.recipients = []keys.Wrapped{test.a.recipients[0], test.b.recipients[1]}
			for range 3 {
				k, err := m.unwrap(t.Context(), c)
				switch {
				case test.want == nil:
					m.check(t, k, err)
				case !errors.Is(err, test.want) || k != nil || err.Error() != "wrong-key: "+test.kek+" unwraps another one":
					t.Errorf("got %v", err)
				}
			}
			if n := keks[0].count(); n != 1 || keks[1].count() != 0 {
				t.Errorf("the first was asked %d times, the second %d times", n, keks[1].count())
			}
			if !keks[0].cleared() {
				t.Error("a DEK was left in memory")
			}
		})
	}
}

// TestErrorNamesTheKey that did not unwrap, and why.
func TestErrorNamesTheKey(t *testing.T) {
	kek := newKEK("local:17")
	kek.set(kek.fault(keys.BadWrap), 0)
	c := newOpening(t, kekcache.OpenKeysOptions{}, kek)
	_, err := newMessage(1, "local:17").unwrap(t.Context(), c)
	if want := "unknown-key: local:17: test: bad wrapped key"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestFloodPushesOutNoKey: however many wrapped keys do not unwrap, those that
// did stay, and what is remembered is bounded.
func TestFloodPushesOutNoKey(t *testing.T) {
	kek := newKEK("kek")
	c, err := kekcache.NewOpenKeys(kekcache.OpenKeysOptions{
		Unwrappers: []keys.Unwrapper{freeKEK{kek}}, Codec: fakeCodec{}, MaxKeys: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	good := []*message{newMessage(1, "kek"), newMessage(2, "kek")}
	for _, m := range good {
		m.opens(t, c)
	}
	kek.set(kek.fault(keys.BadWrap), 0)
	forged := newMessage(3, "kek")
	for n := range 10_000 {
		forged.recipients[0].Ciphertext = []byte{byte(n), byte(n >> 8)}
		forged.refused(t, c, kekcache.ErrUnknownKey)
	}
	before := kek.count()
	for _, m := range good {
		m.opens(t, c)
	}
	forged.refused(t, c, kekcache.ErrUnknownKey) // the last one is remembered
	if n := kek.count() - before; n != 0 {
		t.Errorf("asked %d times more", n)
	}
}

// TestOpeningStatus: degraded while another KEK does the work, restricted while
// somebody waits; each service is logged once a change, whoever calls.
func TestOpeningStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, log := newKEK("a"), newKEK("b"), &logged{}
		c := newOpening(t, kekcache.OpenKeysOptions{Log: log.logger()}, a, b)
		status := func(state kekcache.State, waiting int) {
			t.Helper()
			if s := c.Status(); s.State != state || s.Waiting != waiting || (s.Cause == nil) != (state == kekcache.Normal) {
				t.Errorf("%+v", s)
			}
		}
		status(kekcache.Normal, 0)
		a.away()
		for n := range byte(5) {
			newMessage(n, "a", "b").opens(t, c)
		}
		status(kekcache.Degraded, 0)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		for n := range byte(8) { // two for each key
			go func() { _, err := newMessage(100+n/2, "a").unwrap(ctx, c); ended <- err }()
		}
		a.set(a.fault(keys.Away), 300*time.Millisecond)
		for range 100 { // at any time, also while the service is being asked
			time.Sleep(777 * time.Millisecond)
			status(kekcache.Restricted, 4)
		}
		cancel()
		for range 8 {
			<-ended
		}
		status(kekcache.Degraded, 0)
		a.fine()
		newMessage(50, "a").opens(t, c)
		status(kekcache.Normal, 0)
		log.want(t, "WARN a key service is away error=a: test: away", "INFO a key service is back key=a")
	})
}
