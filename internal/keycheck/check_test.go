package keycheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

// scan looks through places and returns the report.
func scan(t testing.TB, c *Checker, places ...*source) *Report {
	t.Helper()
	for _, p := range places {
		must(t, c.Scan(t.Context(), p, 1))
	}
	return c.Report()
}

func kekOf(t testing.TB, r *Report, name string) KEK {
	t.Helper()
	for _, k := range r.KEKs {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("%s is not there: %+v", name, r.KEKs)
	return KEK{}
}

func TestKEKs(t *testing.T) {
	a, b, lost, spare := newKEK(t), newKEK(t), newKEK(t), newKEK(t)
	both, one, gone := window(t, nil, a, b), window(t, nil, lost, b), window(t, nil, lost)
	c := newChecker(t, Options{}, a, b, spare)
	r := scan(t, c,
		place("orders/1", seal(t, one, 5), seal(t, one, 5), seal(t, both, 9000)),
		place("orders/0", seal(t, both, 5), seal(t, gone, 5), seal(t, both, 5), []byte("plain"), nil))
	want := []KEK{
		{Name: a.Name(), Configured: true, Envelopes: 3, DataKeys: 1, Unwrapped: 1},
		{Name: b.Name(), Configured: true, Envelopes: 5, DataKeys: 2, Unwrapped: 2},
		{Name: spare.Name(), Configured: true},
		{Name: lost.Name(), Envelopes: 3, DataKeys: 2, Why: whyUnconfigured},
	}
	if !reflect.DeepEqual(r.KEKs, want) {
		t.Errorf("got  %+v\nwant %+v", r.KEKs, want)
	}
	if r.Envelopes != 6 || r.Readable != 5 || r.Few != 6 || r.Recipients != 3 || !r.Tried || r.Sampled || r.AllReadable() || c.Looked() != 8 {
		t.Errorf("%+v", r)
	}
	if !reflect.DeepEqual(r.Refused, map[string]int64{"not-an-envelope": 1, "bare-tombstone": 1}) ||
		!reflect.DeepEqual(r.Unreadable, map[string]int64{whyNoKey: 1}) {
		t.Errorf("%v, %v", r.Refused, r.Unreadable)
	}
	if len(r.Places) != 2 || r.Places[0].Name != "orders/0" || r.Places[0].Envelopes != 3 || r.Places[0].Last != 4 || r.Places[1].Readable != 3 {
		t.Errorf("%+v", r.Places)
	}
	if a.asked != 1 || b.asked != 2 || spare.asked != 0 {
		t.Errorf("asked %d, %d, %d times", a.asked, b.asked, spare.asked)
	}
}

func TestWithoutKeys(t *testing.T) {
	k := newKEK(t)
	r := scan(t, newChecker(t, Options{Recipients: 2}), place("p", seal(t, window(t, nil, k), 5)))
	if r.Tried || r.Readable != 0 || len(r.Unreadable) != 0 || r.Few != 1 || !r.AllReadable() || kekOf(t, r, k.Name()).Envelopes != 1 {
		t.Errorf("%+v", r)
	}
	if p := r.Places[0]; p.Changes != 0 || p.FirstReadable != nil {
		t.Errorf("%+v", p)
	}
}

// TestAgain has messages come a second time: they count once.
func TestAgain(t *testing.T) {
	k := newKEK(t)
	w := window(t, nil, k)
	c := newChecker(t, Options{}, k)
	msgs := place("p", seal(t, w, 1), seal(t, w, 1))
	scan(t, c, msgs)
	if r := scan(t, c, place("p", seal(t, w, 1), seal(t, w, 1), seal(t, w, 1))); r.Envelopes != 3 || k.asked != 1 {
		t.Errorf("%d envelopes, asked %d times", r.Envelopes, k.asked)
	}
}

// TestRefusals is what KEKs that do not unwrap are reported as.
func TestRefusals(t *testing.T) {
	failing := func(class keys.Class, text string) func(*testing.T, *kek, *[]byte) {
		return func(_ *testing.T, k *kek, _ *[]byte) {
			k.err = &keys.Error{Class: class, Key: k.Name(), Op: "unwrap", Err: errors.New(text)}
		}
	}
	for _, c := range []struct {
		name      string
		set       func(t *testing.T, k *kek, sealed *[]byte)
		word, why string
	}{
		{"gone", failing(keys.Gone, "disabled"), "gone", "gone: disabled"},
		{"away", failing(keys.Away, "throttled"), "away", "away: no answer within 15s"},
		{"bad", failing(keys.BadWrap, "x"), "unknown-key", "does not unwrap: changed, or of another key context"},
		{"swapped", func(t *testing.T, k *kek, sealed *[]byte) {
			var here, there cms.Envelope
			other := seal(t, window(t, nil, k), 5)
			if cms.Parse(*sealed, &here) != nil || cms.Parse(other, &there) != nil {
				t.Fatal("not envelopes")
			}
			*sealed = append((*sealed)[:len(*sealed)-len(here.Recipients)], there.Recipients...)
		}, "wrong-key", "wrong-key: the wrapped key is not the one that seals"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKEK(t)
				sealed := seal(t, window(t, nil, k), 5)
				c.set(t, k, &sealed)
				r := scan(t, newChecker(t, Options{}, k), place("p", sealed, sealed))
				row := r.KEKs[0]
				if row.Why != c.why || row.Unwrapped != 0 || row.DataKeys != 1 || r.Unreadable[c.word] != 2 || r.Readable != 0 {
					t.Errorf("%+v, %v", row, r.Unreadable)
				}
			})
		})
	}
}

// TestAway asks a service that does not answer for one data key, and not for
// every other one; another KEK still opens.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away, here := newKEK(t), newKEK(t)
		away.err = &keys.Error{Class: keys.Away, Key: away.Name(), Op: "unwrap", Err: errors.New("timeout")}
		var values [][]byte
		for range 50 {
			values = append(values, seal(t, window(t, nil, away, here), 1))
		}
		began := time.Now()
		r := scan(t, newChecker(t, Options{Timeout: time.Minute}, away, here), place("p", values...))
		if took := time.Since(began); took != time.Minute {
			t.Errorf("waited for %s", took)
		}
		if r.Readable != 50 || kekOf(t, r, away.Name()).Unwrapped != 0 || kekOf(t, r, here.Name()).Unwrapped != 50 {
			t.Errorf("%+v", r)
		}
	})
}

// TestAuditFails has a log that cannot be written: that is no word about a KEK,
// whether kekcache returns it or waits.
func TestAuditFails(t *testing.T) {
	full := errors.New("no space left on device")
	k := &ringKey{kekState: new(kekState), audit: &noted{Auditor: failingAudit{full}}}
	if err := k.audit.Record(kekcache.Event{}); !errors.Is(err, full) {
		t.Fatalf("%v", err)
	}
	if no, err := k.judgeError(context.DeadlineExceeded); no != nil || !errors.Is(err, full) {
		t.Errorf("%v, %v", no, err)
	}
	if no, err := k.judgeError(full); no != nil || !errors.Is(err, full) {
		t.Errorf("%v, %v", no, err)
	}
	k.audit = &noted{}
	if no, err := k.judgeError(context.DeadlineExceeded); no == nil || no.word != "away" || err != nil {
		t.Errorf("%v, %v", no, err)
	}
}

type failingAudit struct{ err error }

func (f failingAudit) Record(kekcache.Event) error { return f.err }

func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKEK(t)
		k.err = &keys.Error{Class: keys.Away, Key: k.Name(), Op: "unwrap", Err: errors.New("timeout")}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := newChecker(t, Options{}, k).Scan(ctx, place("p", seal(t, window(t, nil, k), 1)), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestByReference(t *testing.T) {
	a, lost, k2 := newKEK(t), newKEK(t), newKEK(t)
	records, elsewhere := new(keystoretest.Memory), new(keystoretest.Memory)
	w, gone, no := window(t, records, a, lost), window(t, records, lost), window(t, elsewhere, a)
	msgs := place("p", seal(t, w, 1), seal(t, gone, 1), seal(t, no, 1), seal(t, w, 9000))
	r := scan(t, newChecker(t, Options{Store: records}, a), msgs)
	if r.Readable != 2 || !reflect.DeepEqual(r.Unreadable, map[string]int64{whyNoKey: 1, whyNoRecord: 1}) || r.Few != 1 {
		t.Errorf("%+v", r)
	}
	if row := kekOf(t, r, lost.Name()); row.Envelopes != 3 || row.DataKeys != 2 {
		t.Errorf("%+v", row)
	}
	msgs.at, msgs.committed, msgs.released = 0, 0, 0
	if r := scan(t, newChecker(t, Options{}, a), msgs); r.Readable != 0 || r.Unreadable[whyNoStore] != 4 {
		t.Errorf("%+v", r)
	}

	// A record that does not belong there is passed over, and a later one may
	// be wrapped for another KEK.
	kid := elsewhere.KIDs()[0]
	other := new(keystoretest.Memory)
	seal(t, window(t, other, k2), 1)
	for _, record := range [][]byte{recordIn(t, other), []byte("no record"), recordIn(t, elsewhere)} {
		must(t, records.Put(t.Context(), kid, record))
	}
	msgs.at, msgs.committed, msgs.released = 0, 0, 0
	r = scan(t, newChecker(t, Options{Store: records}, a, k2), msgs)
	if r.Readable != 3 || kekOf(t, r, k2.Name()).Envelopes != 0 {
		t.Errorf("records of %x: %+v", kid, r)
	}
}

// recordIn returns the only record of a store.
func recordIn(t testing.TB, s *keystoretest.Memory) []byte {
	t.Helper()
	records, err := s.Get(t.Context(), s.KIDs()[0])
	must(t, err)
	return records[0]
}

// forged is an envelope with recipients that nobody wrapped.
func forged(t testing.TB, recipients ...cms.Recipient) []byte {
	t.Helper()
	var commitment [cms.CommitmentSize]byte
	tpl := cms.NewTemplate(cms.Layout{Commitment: commitment[:]})
	b := append(bytes.Clone(tpl.Bytes()), make([]byte, 12)...)
	b = append(cms.AppendBytesHead(b, 16), make([]byte, 16)...)
	b, err := cms.AppendRecipients(b, recipients)
	must(t, err)
	return b
}

// TestHostile has an input that names more KEKs and data keys than are kept,
// and one that is no text.
func TestHostile(t *testing.T) {
	k := newKEK(t)
	var values [][]byte
	for i := range maxRows + 50 {
		values = append(values, forged(t, cms.Recipient{Alg: cms.AlgA256KW, KID: fmt.Appendf(nil, "%08d", i), Ciphertext: make([]byte, 40)}))
	}
	arn := cms.Recipient{Alg: cms.AlgAWSKMS, KID: []byte("arn:\x1b[2J"), Ciphertext: []byte{1}}
	c := newChecker(t, Options{}, k)
	r := scan(t, c, place("p", append([][]byte{forged(t, arn)}, values...)...))
	if len(r.KEKs) != maxRows || r.More != 52 || r.Envelopes != maxRows+51 {
		t.Errorf("%d KEKs and %d more, %d envelopes", len(r.KEKs), r.More, r.Envelopes)
	}
	if name := r.KEKs[1].Name; strings.ContainsRune(name, 0x1b) || !strings.HasPrefix(name, "awskms:") {
		t.Errorf("%q", name)
	}
	for i := range maxNeeds + 10 {
		c.needs[needName{byte(i), byte(i >> 8), byte(i >> 16), 1}] = &need{}
	}
	before := len(c.needs)
	scan(t, c, place("q", forged(t, cms.Recipient{Alg: cms.AlgA256KW, KID: []byte("new-one!"), Ciphertext: make([]byte, 40)})))
	if len(c.needs) != before {
		t.Errorf("%d data keys are kept, before there were %d", len(c.needs), before)
	}
}

func TestOptions(t *testing.T) {
	if _, err := New(Options{Recipients: -1}); err == nil {
		t.Error("a negative number of recipients")
	}
	if _, err := New(Options{Keys: make([]keys.Unwrapper, maxRows+1)}); err == nil {
		t.Error("more keys than have rows")
	}
}

func FuzzEnvelope(f *testing.F) {
	k := newKEK(f)
	f.Add(seal(f, window(f, nil, k), 5))
	f.Add(seal(f, window(f, nil, k), 9000))
	f.Add(seal(f, window(f, new(keystoretest.Memory), k), 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newChecker(t, Options{}, k)
		must(t, c.Envelope(t.Context(), b))
		if r := c.Report(); r.Envelopes+int64(len(r.Refused)) != 1 {
			t.Errorf("%+v", r)
		}
	})
}
