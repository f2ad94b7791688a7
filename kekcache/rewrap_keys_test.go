package kekcache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// fakeMover is a service that moves DEKs from another KEK of its kind by
// itself. Its Unwrap is counted apart.
type fakeMover struct {
	*fakeKEK
	unwraps int
	wrong   bool // it wraps another DEK than it was given
}

func (m *fakeMover) CanRewrap(from keys.Unwrapper) bool {
	_, ok := from.(*fakeMover)
	return ok
}

func (m *fakeMover) Rewrap(ctx context.Context, _ keys.Context, from keys.Unwrapper, w *keys.Wrapped) (keys.Wrapped, error) {
	if err := m.call(ctx); err != nil {
		return keys.Wrapped{}, err
	}
	if !from.Fits(w) {
		return keys.Wrapped{}, m.fault(keys.BadWrap)
	}
	moved := keys.Wrapped{Alg: w.Alg, KID: []byte(m.name), Ciphertext: slices.Clone(w.Ciphertext)}
	if m.wrong {
		moved.Ciphertext[0]++
	}
	return moved, nil
}

func (m *fakeMover) Unwrap(ctx context.Context, kc keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	m.mu.Lock()
	m.unwraps++
	m.mu.Unlock()
	return m.fakeKEK.Unwrap(ctx, kc, dst, w)
}

func newMover(name string) *fakeMover { return &fakeMover{fakeKEK: newKEK(name)} }

// publicKEK is a target that cannot unwrap.
type publicKEK struct{ kek *fakeKEK }

func (p publicKEK) Name() string              { return p.kek.name }
func (p publicKEK) Fits(w *keys.Wrapped) bool { return p.kek.Fits(w) }
func (p publicKEK) Wrap(ctx context.Context, kc keys.Context, dek []byte) (keys.Wrapped, error) {
	return p.kek.Wrap(ctx, kc, dek)
}

// diary keeps audit events, until it is full.
type diary struct {
	mu     sync.Mutex
	events []kekcache.Event
	full   error
}

func (d *diary) set(full error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

func (d *diary) Record(e kekcache.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full == nil {
		d.events = append(d.events, e)
	}
	return d.full
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	var got []string
	for _, e := range d.events {
		got = append(got, fmt.Sprintf("%s %s %x %s", e.Op, strings.Join(e.KEKs, ">"), e.KID[:2], e.Why))
	}
	if !slices.Equal(got, lines) {
		t.Errorf("recorded:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

func newRewrapping(t testing.TB, o kekcache.RewrapKeysOptions) *kekcache.RewrapKeys {
	t.Helper()
	o.Codec = fakeCodec{}
	c, err := kekcache.NewRewrapKeys(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (m *message) encoded() []byte {
	return encode(m.recipients)
}

func encode(recipients []keys.Wrapped) []byte {
	b, err := fakeCodec{}.AppendRecipients(nil, recipients)
	if err != nil {
		panic(err)
	}
	return b
}

// rewrap asks c for the new recipients of m, a self-contained envelope.
func (m *message) rewrap(ctx context.Context, c *kekcache.RewrapKeys) (*kekcache.Rewrapped, error) {
	r, _, err := c.RewrapRecipients(ctx, m.place, m.sealed())
	return r, err
}

// isFor checks that encoded recipients are m's DEK, wrapped for the named KEKs.
func (m *message) isFor(t *testing.T, r *kekcache.Rewrapped, err error, names ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := fakeCodec{}.ParseRecipients(r.Recipients)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, w := range got {
		have = append(have, string(w.KID))
		if !bytes.Equal(flip(nil, w.Ciphertext), m.dek[:]) {
			t.Errorf("%s: another DEK", w.KID)
		}
	}
	if !slices.Equal(have, names) {
		t.Errorf("wrapped for %v, want %v", have, names)
	}
}

func TestRewrapByUnwrapping(t *testing.T) {
	old, a, b, log := newKEK("old"), newKEK("a"), newKEK("b"), &diary{}
	c := newRewrapping(t, kekcache.RewrapKeysOptions{
		From: []keys.Unwrapper{old}, To: []keys.Wrapper{a, publicKEK{b}}, Audit: log,
	})
	m := newMessage(1, "other", "old")
	for range 3 {
		r, err := m.rewrap(t.Context(), c)
		m.isFor(t, r, err, "a", "b")
		if r.Already {
			t.Error("already")
		}
	}
	if old.count() != 1 || a.count() != 1 || b.count() != 1 || c.CountMoved() != 1 {
		t.Errorf("%d unwraps, %d and %d wraps, %d moved", old.count(), a.count(), b.count(), c.CountMoved())
	}
	if !old.cleared() || !a.cleared() {
		t.Error("a DEK was left in memory")
	}
	log.want(t, fmt.Sprintf("rewrapped old>a>b %x unwrapped in this process", m.commitment[:2]))
}

// TestRewrapUnseen: between KEKs of one service the DEK never comes here.
func TestRewrapUnseen(t *testing.T) {
	old, a, b, log := newMover("old"), newMover("a"), newMover("b"), &diary{}
	c := newRewrapping(t, kekcache.RewrapKeysOptions{
		From: []keys.Unwrapper{newKEK("first"), old}, To: []keys.Wrapper{a, b}, Audit: log,
	})
	m := newMessage(1, "old")
	r, err := m.rewrap(t.Context(), c)
	m.isFor(t, r, err, "a", "b")
	if old.unwraps+a.unwraps+b.unwraps != 0 || len(old.lent)+len(a.lent)+len(b.lent) != 0 {
		t.Error("the DEK was here")
	}
	log.want(t, fmt.Sprintf("rewrapped old>a>b %x inside the key service; the kid is claimed, not verified", m.commitment[:2]))
}

// TestRewrapMixed: one target that has to be shown the DEK means that all are,
// and that its commitment is compared.
func TestRewrapMixed(t *testing.T) {
	old, a, b := newMover("old"), newMover("a"), newKEK("b")
	c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{a, b}})
	m := newMessage(1, "old")
	r, err := m.rewrap(t.Context(), c)
	m.isFor(t, r, err, "a", "b")
	if old.unwraps != 1 || old.count() != 1 || a.count() != 1 {
		t.Errorf("%d unwraps, %d calls of the old KEK, %d of the new", old.unwraps, old.count(), a.count())
	}
	forged := newMessage(2)
	forged.recipients = m.recipients
	if _, err := forged.rewrap(t.Context(), c); !errors.Is(err, kekcache.ErrWrongKey) {
		t.Errorf("got %v", err)
	}
}

// TestRewrapVerify: what was moved unseen is unwrapped once by each new KEK,
// and by the old one if no new one can.
func TestRewrapVerify(t *testing.T) {
	for name, test := range map[string]struct {
		public, wrong, forged  bool
		oldUnwraps, newUnwraps int
		want                   error
	}{
		"good":                        {false, false, false, 0, 1, nil},
		"the service wraps another":   {false, true, false, 0, 1, kekcache.ErrWrongKey},
		"forged":                      {false, false, true, 0, 1, kekcache.ErrWrongKey},
		"new ones cannot":             {true, false, false, 1, 0, nil},
		"new ones cannot, and forged": {true, false, true, 1, 0, kekcache.ErrWrongKey},
	} {
		t.Run(name, func(t *testing.T) {
			old, to := newMover("old"), newMover("new")
			to.wrong = test.wrong
			target := keys.Wrapper(to)
			if test.public {
				target = publicMover{publicKEK{to.fakeKEK}, to}
			}
			log := &diary{}
			c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{target}, Verify: true, Audit: log})
			m := newMessage(1, "old")
			if test.forged {
				m.commitment[0]++
			}
			for range 2 {
				if r, err := m.rewrap(t.Context(), c); !errors.Is(err, test.want) || err == nil && r == nil {
					t.Errorf("got %v, want %v", err, test.want)
				}
			}
			if old.unwraps != test.oldUnwraps || to.unwraps != test.newUnwraps {
				t.Errorf("%d unwraps by the old KEK, %d by the new", old.unwraps, to.unwraps)
			}
			if test.want == nil {
				opener := map[bool]string{true: "old", false: "new"}[test.public]
				log.want(t, fmt.Sprintf("unwrapped %s %x ", opener, m.commitment[:2]),
					fmt.Sprintf("rewrapped old>new %x inside the key service", m.commitment[:2]))
			}
		})
	}
}

// publicMover moves DEKs and cannot unwrap.
type publicMover struct {
	publicKEK
	mover *fakeMover
}

func (p publicMover) CanRewrap(from keys.Unwrapper) bool { return p.mover.CanRewrap(from) }
func (p publicMover) Rewrap(ctx context.Context, kc keys.Context, from keys.Unwrapper, w *keys.Wrapped) (keys.Wrapped, error) {
	return p.mover.Rewrap(ctx, kc, from, w)
}

func TestRewrapAlready(t *testing.T) {
	old, a, b, log := newKEK("old"), newKEK("a"), newKEK("b"), &diary{}
	options := kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old, a, b}, To: []keys.Wrapper{a, b}, Audit: log}
	for recipients, already := range map[string]bool{
		"a b": true, "b a": true, "a": false, "a b old": false, "a b x": false, "a a": false,
	} {
		m := newMessage(1, strings.Fields(recipients)...)
		r, err := m.rewrap(t.Context(), newRewrapping(t, options))
		if err != nil || r.Already != already {
			t.Errorf("%s: %v, %v", recipients, r.Already, err)
		}
		if already {
			m.isFor(t, r, err, strings.Fields(recipients)...)
		}
	}
	a.set(nil, 0)
	calls := a.count() + b.count() + old.count()
	verified := options
	verified.Verify = true
	m := newMessage(2, "a", "b")
	log.events = nil
	if r, err := m.rewrap(t.Context(), newRewrapping(t, verified)); err != nil || !r.Already || a.count()+b.count()+old.count() != calls+2 {
		t.Errorf("verified: %v after %d calls", err, a.count()+b.count()+old.count()-calls)
	}
	log.want(t, fmt.Sprintf("unwrapped a %x ", m.commitment[:2]), fmt.Sprintf("unwrapped b %x ", m.commitment[:2]))
	m.commitment[0]++
	if _, err := m.rewrap(t.Context(), newRewrapping(t, verified)); !errors.Is(err, kekcache.ErrWrongKey) {
		t.Errorf("forged: %v", err)
	}
	m.recipients[1].Ciphertext[0]++ // two recipients, two DEKs
	m.commitment[0]--
	if _, err := m.rewrap(t.Context(), newRewrapping(t, verified)); !errors.Is(err, kekcache.ErrWrongKey) {
		t.Errorf("two DEKs: %v", err)
	}
}

// TestRewrapUnrecorded: what cannot be recorded is not done. A log that is full
// is waited for, like a key service.
func TestRewrapUnrecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, log := &diary{full: errors.New("disk full")}, &logged{}
		old := newKEK("old")
		c := newRewrapping(t, kekcache.RewrapKeysOptions{
			From: []keys.Unwrapper{old}, To: []keys.Wrapper{newKEK("to")}, Audit: book, Log: log.logger(),
		})
		m := newMessage(1, "old")
		given, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if r, err := m.rewrap(given, c); !errors.Is(err, context.DeadlineExceeded) || r != nil || c.CountMoved() != 0 {
			t.Fatalf("%v, %d moved", err, c.CountMoved())
		}
		time.AfterFunc(time.Hour, func() { book.set(nil) })
		r, err := m.rewrap(t.Context(), c)
		m.isFor(t, r, err, "to")
		if len(book.events) != 1 || old.count() != 2 {
			t.Errorf("%d events, %d unwraps", len(book.events), old.count())
		}
		log.want(t, "WARN the audit log is away error=disk full", "WARN the audit log is away error=disk full", "INFO the audit log is back")
	})
}

// TestRewrapOnceForAll: however many ask at once, a DEK is rewrapped once; they
// wait for a service that is away.
func TestRewrapOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, to, log := newKEK("old"), newKEK("to"), &logged{}
		old.away()
		c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{to}, Log: log.logger()})
		m := newMessage(1, "old")
		for range 100 {
			go func() {
				if _, err := m.rewrap(t.Context(), c); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait() // one of them leads
		given, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := m.rewrap(given, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		old.set(nil, time.Second)
		calls := old.count()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if old.count() != calls+1 || to.count() != 1 || old.peak() != 1 || c.CountMoved() != 1 {
			t.Errorf("%d unwraps, %d at once, %d wraps", old.count()-calls, old.peak(), to.count())
		}
		log.want(t, "WARN a key service is away error=old: test: away", "INFO a key service is back key=old")
	})
}

// refusing is a target that refuses its first call.
type refusing struct {
	*fakeKEK
	refused bool
}

func (k *refusing) Wrap(ctx context.Context, kc keys.Context, dek []byte) (keys.Wrapped, error) {
	if !k.refused {
		k.refused = true
		return keys.Wrapped{}, k.fault(keys.Gone)
	}
	return k.fakeKEK.Wrap(ctx, kc, dek)
}

// TestRewrapTriesAnew: what an attempt that failed has seen says nothing about
// the next one.
func TestRewrapTriesAnew(t *testing.T) {
	old, second, to := newKEK("old"), newKEK("second"), &refusing{fakeKEK: newKEK("to")}
	c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old, second}, To: []keys.Wrapper{to}})
	m, other := newMessage(1, "second"), newMessage(2, "old")
	m.recipients = append(m.recipients, other.recipients...)
	r, err := m.rewrap(t.Context(), c)
	m.isFor(t, r, err, "to")
}

// TestRewrapCacheIsBounded: what was asked for longest ago is forgotten and
// done again.
func TestRewrapCacheIsBounded(t *testing.T) {
	old := newKEK("old")
	c := newRewrapping(t, kekcache.RewrapKeysOptions{From: []keys.Unwrapper{old}, To: []keys.Wrapper{newKEK("to")}, MaxBytes: 2000})
	longest := 0
	ask := func(number byte) {
		t.Helper()
		m := newMessage(number, "old")
		r, err := m.rewrap(t.Context(), c)
		m.isFor(t, r, err, "to")
		longest = max(longest, len(r.Recipients))
	}
	for n := range byte(20) {
		ask(n)
		ask(0)
	}
	if old.count() != 20 {
		t.Errorf("%d unwraps: the one in use was forgotten", old.count())
	}
	kept := 2000 / (320 + longest)
	ask(byte(19 - kept)) // with the first one in between there is no room for it
	if old.count() != 21 {
		t.Errorf("%d unwraps: more than %d were kept in 2000 bytes", old.count(), kept)
	}
}

func TestNewRewrapping(t *testing.T) {
	from, to := []keys.Unwrapper{newKEK("a")}, []keys.Wrapper{newKEK("b")}
	for want, o := range map[string]kekcache.RewrapKeysOptions{
		"from":         {To: to, Codec: fakeCodec{}},
		"rewrap for":   {From: from, Codec: fakeCodec{}},
		"more than 16": {From: from, To: slices.Repeat(to, 17), Codec: fakeCodec{}},
		"Codec":        {From: from, To: to},
		"bytes":        {From: from, To: to, Codec: fakeCodec{}, MaxBytes: -1},
	} {
		if _, err := kekcache.NewRewrapKeys(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
