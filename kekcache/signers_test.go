package kekcache_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// countingVerifier counts how often it verifies.
type countingVerifier struct {
	keys.Verifier
	calls int
}

func (v *countingVerifier) Verify(message, signature []byte) bool {
	v.calls++
	return v.Verifier.Verify(message, signature)
}

func newSigner(t testing.TB) *local.Ed25519 {
	t.Helper()
	file, err := local.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := local.ParseEd25519(file)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// sign has a signer vouch for m's DEK under a context.
func (m *message) sign(t testing.TB, by keys.Signer, context string, from, until uint32) *message {
	t.Helper()
	text := fakeCodec{}.AppendSignedMessage(nil, m.commitment[:], context, from, until)
	b, err := by.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	s := kekcache.Signature{KID: by.KID(), From: from, Until: until, Bytes: [keys.SignatureSize]byte(b)}
	m.signature = fakeCodec{}.EncodeSignature(&s)
	return m
}

func (m *message) createdAt(created uint32) *message {
	n := *m
	n.created = created
	return &n
}

// slowVerifier takes a second for each signature.
type slowVerifier struct {
	keys.Verifier
	calls atomic.Int64
}

func (v *slowVerifier) Verify(message, signature []byte) bool {
	v.calls.Add(1)
	time.Sleep(time.Second)
	return v.Verifier.Verify(message, signature)
}

// TestSignersTogether: callers that meet a signed DEK at the same moment have
// it verified once, and each of them has a signature that does not verify
// refused.
func TestSignersTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := newSigner(t)
		slow := &slowVerifier{Verifier: signer}
		c := newOpening(t, kekcache.OpenKeysOptions{
			Context: keys.Context{Name: "orders"}, Signers: []keys.Verifier{slow}, Skew: 10 * time.Second,
		}, newKEK("kek"))
		good := newMessage(1, "kek").createdAt(1500).sign(t, signer, "orders", 1000, 2000)
		bad := newMessage(2, "kek").createdAt(1500).sign(t, signer, "orders", 1000, 2000)
		bad.signature[20] ^= 1
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := c.Unwrap(t.Context(), "", good.sealed()); err != nil {
					t.Error(err)
				}
				if _, err := c.Unwrap(t.Context(), "", bad.sealed()); !errors.Is(err, kekcache.ErrUntrusted) {
					t.Errorf("a signature that does not verify: %v", err)
				}
			})
		}
		wg.Wait()
		if n := slow.calls.Load(); n != 1+8 {
			t.Errorf("%d verifications, want 1 of the good one and 8 of the bad one", n)
		}
	})
}

// TestSigners: nothing is unwrapped of a DEK that no signer vouches for, and a
// signature is verified once.
func TestSigners(t *testing.T) {
	signer, rotated, stranger := newSigner(t), newSigner(t), newSigner(t)
	kek := newKEK("kek")
	counting := &countingVerifier{Verifier: signer}
	c := newOpening(t, kekcache.OpenKeysOptions{
		Context: keys.Context{Name: "orders"}, Signers: []keys.Verifier{counting, rotated}, Skew: 10 * time.Second,
	}, kek)
	fresh := func() *message { return newMessage(1, "kek").createdAt(1500) }
	good := fresh().sign(t, signer, "orders", 1000, 2000)
	changed := fresh().sign(t, signer, "orders", 1000, 2000)
	changed.signature[20] ^= 1
	later := fresh().sign(t, signer, "orders", 1000, 2000)
	copy(later.signature[8:], []byte{0, 1}) // from
	other := fresh()
	other.signature = newMessage(2, "kek").sign(t, signer, "orders", 1000, 2000).signature
	for name, m := range map[string]*message{
		"unsigned":            fresh(),
		"by a stranger":       fresh().sign(t, stranger, "orders", 1000, 2000),
		"changed":             changed,
		"other times":         later,
		"of another DEK":      other,
		"of another context":  fresh().sign(t, signer, "payments", 1000, 2000),
		"created before":      good.createdAt(989),
		"created after":       good.createdAt(2011),
		"created long before": good.createdAt(0),
	} {
		for range 3 {
			m.refused(t, c, kekcache.ErrUntrusted)
		}
		if kek.count() != 0 {
			t.Fatalf("%s: unwrapped", name)
		}
	}
	counting.calls = 0
	for _, created := range []uint32{990, 1000, 1500, 2000, 2010} {
		key, err := good.createdAt(created).unwrap(t.Context(), c)
		good.check(t, key, err)
		if !key.Vouched || !c.IsLive(key, 2010) || c.IsLive(key, 2011) || c.IsLive(key, 989) || !c.IsLive(key, 990) {
			t.Errorf("created %d: vouched %v", created, key.Vouched)
		}
	}
	fresh().sign(t, rotated, "orders", 1000, 2000).opens(t, c)
	if kek.count() != 1 || counting.calls > 1 {
		t.Errorf("unwrapped %d times, verified %d times", kek.count(), counting.calls)
	}
}

// TestSignersOfRecords: records without a good signature, and records that do
// not cover the time of the message, are passed over.
func TestSignersOfRecords(t *testing.T) {
	signer, stranger := newSigner(t), newSigner(t)
	m := newMessage(1, "a").createdAt(1000)
	kid := [kekcache.KIDSize]byte(m.kid())
	signed := func(m *message, from, until uint32) *message {
		return m.createdAt(from).sign(t, signer, "", from, until)
	}
	good, early, strange := signed(m, 1000, 2000), signed(m, 10, 20), signed(newMessage(1, "x"), 1000, 2000)
	forged := m.createdAt(1000).sign(t, stranger, "", 1000, 2000)
	lying := signed(m, 1000, 2000)
	lying.recipients = newMessage(9, "a").recipients
	for name, test := range map[string]struct {
		records []*message
		want    error
		calls   int
	}{
		"good":                              {[]*message{good}, nil, 1},
		"unsigned in front":                 {[]*message{m, good}, nil, 1},
		"of a stranger in front":            {[]*message{forged, good}, nil, 1},
		"of another time in front":          {[]*message{early, good}, nil, 1},
		"unsigned":                          {[]*message{m}, kekcache.ErrUntrusted, 0},
		"of another time":                   {[]*message{early}, kekcache.ErrUntrusted, 0},
		"untrusted, and for others":         {[]*message{forged, strange}, kekcache.ErrUnknownKey, 0},
		"for others, and untrusted":         {[]*message{strange, forged}, kekcache.ErrUnknownKey, 0},
		"untrusted, and of another key":     {[]*message{forged, lying}, kekcache.ErrWrongKey, 1},
		"of another key, and then the good": {[]*message{lying, good}, nil, 2},
		"none":                              {nil, kekcache.ErrUnknownKey, 0},
	} {
		t.Run(name, func(t *testing.T) {
			kek, store := newKEK("a"), newStore()
			for _, r := range test.records {
				store.records[kid] = append(store.records[kid], r.record(t))
			}
			c := newOpening(t, kekcache.OpenKeysOptions{Store: store, Signers: []keys.Verifier{signer}}, kek)
			for range 3 {
				key, err := c.Lookup(t.Context(), "", kid[:], 1500)
				if test.want == nil {
					m.check(t, key, err)
				} else if !errors.Is(err, test.want) {
					t.Fatalf("got %v, want %v", err, test.want)
				}
			}
			if kek.count() != test.calls || store.gets != 1 {
				t.Errorf("unwrapped %d times, read %d times", kek.count(), store.gets)
			}
		})
	}
}

// TestRecordsOfTimes: each message is opened by the record that covers its
// time, and a message that none covers does not disturb the others.
func TestRecordsOfTimes(t *testing.T) {
	signer := newSigner(t)
	m := newMessage(1, "a")
	kid := [kekcache.KIDSize]byte(m.kid())
	store := newStore()
	for _, from := range []uint32{1000, 5000} {
		store.records[kid] = append(store.records[kid], m.createdAt(from).sign(t, signer, "", from, from+1000).record(t))
	}
	c := newOpening(t, kekcache.OpenKeysOptions{Store: store, Signers: []keys.Verifier{signer}, Skew: time.Second}, newKEK("a"))
	for range 3 {
		for created, want := range map[uint32]error{1500: nil, 5500: nil, 3000: kekcache.ErrUntrusted, 9000: kekcache.ErrUntrusted} {
			key, err := c.Lookup(t.Context(), "", kid[:], created)
			if !errors.Is(err, want) {
				t.Errorf("created %d: %v", created, err)
			}
			if want == nil {
				m.check(t, key, err)
			}
		}
	}
}

// TestRecordInFrontOfATime: the signature of a key record that comes with the
// data covers the envelope behind it.
func TestRecordInFrontOfATime(t *testing.T) {
	signer := newSigner(t)
	c := newOpening(t, kekcache.OpenKeysOptions{Signers: []keys.Verifier{signer}, Skew: time.Second}, newKEK("a"))
	m := newMessage(1, "a").createdAt(1000)
	m.sign(t, signer, "", 1000, 1000)
	for created, want := range map[uint32]error{1000: nil, 999: nil, 1001: nil, 1002: kekcache.ErrUntrusted, 998: kekcache.ErrUntrusted} {
		if _, err := c.FromRecord(t.Context(), "", m.record(t), m.kid(), created); !errors.Is(err, want) {
			t.Errorf("created %d: %v", created, err)
		}
	}
	if _, err := c.FromRecord(t.Context(), "", newMessage(1, "a").record(t), m.kid(), 1000); !errors.Is(err, kekcache.ErrUntrusted) {
		t.Errorf("unsigned: %v", err)
	}
}

// TestVouched: without signers the kind of the recipient decides.
func TestVouched(t *testing.T) {
	for alg, want := range map[int64]bool{
		keys.AlgA256KW: true, keys.AlgAWSKMS: true, keys.AlgVault: true, keys.AlgGCPKMS: true,
		keys.AlgECDHESA256KW: false, keys.AlgRSAOAEP256: false, keys.AlgRSAOAEP512: false, keys.AlgMLKEM: false,
	} {
		m, store := newMessage(1, "kek"), newStore()
		m.recipients[0].Alg = alg
		store.records[[kekcache.KIDSize]byte(m.kid())] = [][]byte{m.record(t)}
		c := newOpening(t, kekcache.OpenKeysOptions{Store: store}, newKEK("kek"))
		for range 2 {
			key, err := m.unwrap(t.Context(), c)
			if err != nil || key.Vouched != want {
				t.Errorf("alg %d: %v, %v", alg, key.Vouched, err)
			}
			key, err = c.Lookup(t.Context(), "", m.kid(), 0)
			if err != nil || key.Vouched != want {
				t.Errorf("alg %d by reference: %v, %v", alg, key.Vouched, err)
			}
		}
	}
}

// TestSealedKeysAreSigned: a window's key from its birth to the end of its age,
// that of a stream for the second of its birth, and both once.
func TestSealedKeysAreSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer, store := newSigner(t), newStore()
		keks, err := kekcache.NewKEKs(wrappers(newKEK("kek")))
		if err != nil {
			t.Fatal(err)
		}
		all, err := kekcache.NewSealKeys(kekcache.SealKeysOptions{Codec: fakeCodec{}, Limits: kekcache.Limits{Age: 90*time.Second + 1}})
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range map[string]kekcache.Purpose{
			"self-contained": {KEKs: keks, Signer: signer},
			"by reference":   {KEKs: keks, Signer: signer, Store: store},
			"unsigned":       {KEKs: keks},
		} {
			p.Context.Name = "orders"
			supply, err := all.Supply(p)
			if err != nil {
				t.Fatal(err)
			}
			born := uint32(time.Now().Unix())
			grant := take(t, supply.NewQuota())
			stream, err := supply.StreamKey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for g, until := range map[*kekcache.Grant]uint32{grant: born + 91, stream: born} {
				if g.Key.From != born {
					t.Errorf("%s: from %d", name, g.Key.From)
				}
				if p.Signer == nil {
					if g.Key.Signature != nil {
						t.Errorf("%s: signed", name)
					}
					continue
				}
				s := fakeCodec{}.ReadSignature(g.Key.Signature)
				message := fakeCodec{}.AppendSignedMessage(nil, g.Key.Commitment[:], "orders", born, until)
				if s.KID != signer.KID() || s.From != born || s.Until != until || !signer.Verify(message, s.Bytes[:]) {
					t.Errorf("%s: %+v", name, s)
				}
				if p.Store == nil {
					continue
				}
				stored := store.records[g.Key.KID()]
				record, err := fakeCodec{}.SplitRecord(g.Key.Record)
				if err != nil || record.Created != born || !bytes.Equal(record.Signature, g.Key.Signature) ||
					len(stored) != 1 || !bytes.Equal(stored[0], g.Key.Record) {
					t.Errorf("%s: record %+v, %v, %d in the store", name, record, err, len(stored))
				}
			}
			stream.Done()
			supply.Close()
		}
	})
}

// TestSignedStreamsAreDatedByTheirSignature: however long a key took to make,
// the stream is dated within its signature; without one it is dated by now.
func TestSignedStreamsAreDatedByTheirSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Second / 2) // to within a second
		kek := newKEK("kek")
		kek.set(nil, 10*time.Second)
		keks, err := kekcache.NewKEKs(wrappers(kek))
		if err != nil {
			t.Fatal(err)
		}
		all, err := kekcache.NewSealKeys(kekcache.SealKeysOptions{Codec: fakeCodec{}})
		if err != nil {
			t.Fatal(err)
		}
		for _, signer := range []keys.Signer{newSigner(t), nil} {
			supply, err := all.Supply(kekcache.Purpose{KEKs: keks, Signer: signer})
			if err != nil {
				t.Fatal(err)
			}
			born := uint32(time.Now().Unix())
			g, err := supply.StreamKey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if signer == nil && g.Created != born+10 {
				t.Errorf("unsigned: %d s after it was asked for", g.Created-born)
			}
			if signer != nil {
				if s := (fakeCodec{}).ReadSignature(g.Key.Signature); g.Created != born || s.From != born || s.Until != born {
					t.Errorf("created %d, signed from %d until %d, asked for at %d", g.Created, s.From, s.Until, born)
				}
			}
			g.Done()
			supply.Close()
		}
	})
}

// TestSignerFails: no key is used that could not be signed.
func TestSignerFails(t *testing.T) {
	keks, err := kekcache.NewKEKs(wrappers(newKEK("kek")))
	if err != nil {
		t.Fatal(err)
	}
	all, err := kekcache.NewSealKeys(kekcache.SealKeysOptions{Codec: fakeCodec{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, signer := range []*brokenSigner{{err: errors.New("no hand")}, {size: 63}, {size: 65}} {
		supply, err := all.Supply(kekcache.Purpose{KEKs: keks, Signer: signer})
		if err != nil {
			t.Fatal(err)
		}
		if err := supply.Prepare(t.Context()); err == nil {
			t.Errorf("%+v: a key without a signature", signer)
		}
	}
}

type brokenSigner struct {
	size int
	err  error
}

func (*brokenSigner) Name() string                      { return "broken" }
func (*brokenSigner) KID() (k [keys.SignerKIDSize]byte) { return k }
func (s *brokenSigner) Sign([]byte) ([]byte, error)     { return make([]byte, s.size), s.err }

// TestRewrapDoesNotVouch: from a key that anybody can wrap for to one that
// vouches goes only what a signer vouches for, unless that is asked for.
func TestRewrapDoesNotVouch(t *testing.T) {
	signer := newSigner(t)
	for name, test := range map[string]struct {
		from, to int64
		signers  []keys.Verifier
		signed   bool
		pass     bool
		want     error
	}{
		"public to symmetric":           {keys.AlgRSAOAEP256, keys.AlgA256KW, nil, false, false, kekcache.ErrUntrusted},
		"the same, signed, nobody asks": {keys.AlgRSAOAEP256, keys.AlgA256KW, nil, true, false, kekcache.ErrUntrusted},
		"the same, passed":              {keys.AlgRSAOAEP256, keys.AlgA256KW, nil, false, true, nil},
		"the same, signed":              {keys.AlgRSAOAEP256, keys.AlgA256KW, []keys.Verifier{signer}, true, false, nil},
		"unsigned":                      {keys.AlgA256KW, keys.AlgA256KW, []keys.Verifier{signer}, false, false, kekcache.ErrUntrusted},
		"unsigned, passed":              {keys.AlgA256KW, keys.AlgA256KW, []keys.Verifier{signer}, false, true, kekcache.ErrUntrusted},
		"public to public":              {keys.AlgECDHESA256KW, keys.AlgRSAOAEP256, nil, false, false, nil},
		"symmetric to public":           {keys.AlgA256KW, keys.AlgRSAOAEP256, nil, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m, store := newMessage(1, "old"), newStore()
			m.recipients[0].Alg = test.from
			if test.signed {
				m.sign(t, signer, "", 0, 0)
			}
			store.records[[kekcache.KIDSize]byte(m.kid())] = [][]byte{m.record(t)}
			audit := &diary{}
			c := newRewrapping(t, kekcache.RewrapKeysOptions{
				From: []keys.Unwrapper{newKEK("old")}, To: []keys.Wrapper{algKEK{newKEK("to"), test.to}}, Store: store,
				Signers: test.signers, PassUntrusted: test.pass, Audit: audit,
			})
			for range 2 {
				if _, err := m.rewrap(t.Context(), c); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
				if _, _, err := c.RewrapRecord(t.Context(), "", m.kid()); !errors.Is(err, test.want) {
					t.Errorf("record: got %v, want %v", err, test.want)
				}
			}
			if test.want != nil && (store.puts != 0 || len(audit.events) != 0 || c.CountMoved() != 0) {
				t.Errorf("%d puts, %d events", store.puts, len(audit.events))
			}
		})
	}
}

// algKEK wraps as a KEK of some kind.
type algKEK struct {
	*fakeKEK
	alg int64
}

func (k algKEK) Wrap(ctx context.Context, kc keys.Context, dek []byte) (keys.Wrapped, error) {
	w, err := k.fakeKEK.Wrap(ctx, kc, dek)
	w.Alg = k.alg
	return w, err
}
