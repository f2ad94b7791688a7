package transform_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

var bothSides = []string{"tenant", "absent", "empty"}

// bindOnSeal and bindOnOpen have only these headers bound, and those with an
// effect on NATS.
func (r rig) bindOnSeal(t testing.TB, names ...string) func(*transform.EncryptOptions) {
	return func(o *transform.EncryptOptions) { o.Sealer = r.newSealerWith(t, 4096, namedBind(names)) }
}

func (r rig) bindOnOpen(t testing.TB, names ...string) func(*transform.DecryptOptions) {
	return func(o *transform.DecryptOptions) {
		o.Opener = newOpenerWith(t, r.store, route, r.kek, namedBind(names))
	}
}

func namedBind(names []string) envelope.Bind { return envelope.Bind{Named: true, Names: names} }

// TestRoundTrip: what was null, empty, repeated or large comes back as it was,
// tombstones included.
func TestRoundTrip(t *testing.T) {
	headers := []pipeline.Header{
		{Name: "tenant", Value: []byte("a")},
		{Name: "empty", Value: []byte{}},
		{Name: "tenant", Value: nil},
		{Name: "free", Value: nil},
		{Name: "tenant", Value: []byte("a")},
	}
	var keys, values [][]byte
	keys = append(keys, nil, []byte{}, []byte("k"))
	for _, n := range []int{0, 1, 100, 4095, 4096, 4097, 8192, 8193, 100_000} {
		values = append(values, payload(n))
	}
	values = append(values, nil)
	profiles(t, func(t *testing.T, r rig) {
		e, d := r.encrypt(t, r.bindOnSeal(t, bothSides...)), r.decrypt(t, r.bindOnOpen(t, bothSides...))
		for _, key := range keys {
			for _, value := range values {
				for _, h := range [][]pipeline.Header{nil, headers} {
					for _, subject := range [][]byte{nil, []byte("orders.eu")} {
						m := pipeline.Message{
							Key: key, Value: value, Headers: h, Subject: subject, Time: time.UnixMilli(1_700_000_000_123),
							Origin: pipeline.Origin{Place: "orders/3", Offset: 8812, Previous: 8811},
						}
						sealed := must(t, e, m)
						if (sealed.Value == nil) != (value == nil) || len(value) > 8 && bytes.Contains(sealed.Value, value) {
							t.Fatalf("%d bytes sealed as %d, null: %v", len(value), len(sealed.Value), sealed.Value == nil)
						}
						opened := must(t, d, sealed)
						if !sameMessage(&opened, &m) {
							t.Fatalf("key %q, %d bytes (null: %v), %d headers, subject %q came back as %+v", key, len(value), value == nil, len(h), subject, opened)
						}
					}
				}
			}
		}
	})
}

// TestSubject: the envelope is bound to the subject under which it is
// published, on the ciphertext side.
func TestSubject(t *testing.T) {
	mapped := func(to string) func(dst, subject []byte) ([]byte, error) {
		return func(dst, subject []byte) ([]byte, error) { return append(append(dst, to...), subject...), nil }
	}
	r := newRig(t, nil)
	e := r.encrypt(t, func(o *transform.EncryptOptions) { o.Subject = mapped("enc.") })
	d := r.decrypt(t, func(o *transform.DecryptOptions) { o.Subject = mapped("dec.") })
	for _, value := range [][]byte{[]byte("v"), nil} {
		sealed := must(t, e, pipeline.Message{Subject: []byte("orders"), Value: value})
		if string(sealed.Subject) != "enc.orders" {
			t.Fatalf("published under %q", sealed.Subject)
		}
		if opened := must(t, d, sealed); string(opened.Subject) != "dec.enc.orders" || !same(opened.Value, value) {
			t.Fatalf("opened as %q %q", opened.Subject, opened.Value)
		}
		for _, subject := range []string{"orders", "dec.enc.orders", ""} {
			sealed.Subject = []byte(subject)
			rejected(t, d, sealed, "tampered")
		}
		sealed.Subject = nil
		rejected(t, d, sealed, "tampered")
	}
}

// TestNoSubject: a map that makes nothing leaves a message without a subject,
// whatever was sealed before it.
func TestNoSubject(t *testing.T) {
	same := func(dst, subject []byte) ([]byte, error) { return append(dst, subject...), nil }
	r := newRig(t, nil)
	e := r.encrypt(t, func(o *transform.EncryptOptions) { o.Subject = same })
	for _, subject := range []string{"", "orders", ""} {
		sealed := must(t, e, pipeline.Message{Subject: []byte(subject), Value: []byte("v")})
		if (subject == "") != (sealed.Subject == nil) {
			t.Fatalf("%q became %q, null: %v", subject, sealed.Subject, sealed.Subject == nil)
		}
		must(t, r.decrypt(t), sealed)
	}
}

// TestErrorsPass: what Subject returns is the transform's error, on both sides,
// and nothing is left of the message.
func TestErrorsPass(t *testing.T) {
	boom := errors.New("boom")
	for _, want := range []error{boom, pipeline.Skip, &pipeline.Reject{Reason: "header"}} {
		subject := func(dst, _ []byte) ([]byte, error) { return append(dst, "half"...), want }
		r := newRig(t, nil)
		sealed := must(t, r.encrypt(t), pipeline.Message{Value: []byte("secret payload")})
		plain := pipeline.Message{Value: []byte("secret payload")}
		for name, by := range map[string]pipeline.Transform{
			"encrypt, subject": r.encrypt(t, func(o *transform.EncryptOptions) { o.Subject = subject }),
			"decrypt, subject": r.decrypt(t, func(o *transform.DecryptOptions) { o.Subject = subject }),
		} {
			t.Run(fmt.Sprint(name, " ", want), func(t *testing.T) {
				in := sealed
				if strings.HasPrefix(name, "encrypt") {
					in = plain
				}
				if _, err := apply(t, by, in); err != want {
					t.Errorf("got %v", err)
				}
				dst := make([]byte, 0, 1024)
				m := in
				_, _ = by.Append(t.Context(), dst, &m)
				if bytes.Contains(dst[:cap(dst)], []byte("secret")) {
					t.Error("plaintext is left behind the slice")
				}
			})
		}
	}
}

// TestOptions: keys that are not there are refused at the start.
func TestOptions(t *testing.T) {
	if _, err := transform.NewEncrypt(transform.EncryptOptions{}); err == nil {
		t.Error("encrypt without keys")
	}
	if _, err := transform.NewDecrypt(transform.DecryptOptions{}); err == nil {
		t.Error("decrypt without keys")
	}
}

// TestBinding: a message is bound to key, subject, time and all headers in
// their order, as docs/envelope.md has it.
func TestBinding(t *testing.T) {
	r := newRig(t, nil)
	bind := envelope.Bind{Time: true}
	sealer := r.newSealerWith(t, 4096, bind)
	e := r.encrypt(t, func(o *transform.EncryptOptions) { o.Sealer = sealer })
	at := time.UnixMilli(1_700_000_000_123)
	headers := []pipeline.Header{{Name: "z", Value: []byte("1")}, {Name: "a"}, {Name: "z", Value: []byte{}}}
	b := envelope.Binding{
		Subject: []byte("s"), Key: []byte("k"), Time: at,
		Headers: []envelope.Header{{Name: "z", Value: []byte("1")}, {Name: "a"}, {Name: "z", Value: []byte{}}},
	}
	m := pipeline.Message{Key: []byte("k"), Subject: []byte("s"), Value: []byte("v"), Headers: headers, Time: at}
	sealed := must(t, e, m)
	if out, err := r.opener.Open(t.Context(), nil, sealed.Value, b); err != nil || string(out) != "v" {
		t.Errorf("value: %q, %v", out, err)
	}
	m.Value = nil
	sealed = must(t, e, m)
	b.Kind = envelope.Tombstone
	if out, err := r.opener.Open(t.Context(), nil, sealed.Headers[len(headers)].Value, b); err != nil || len(out) != 0 {
		t.Errorf("tombstone: %q, %v", out, err)
	}
	b.Time = at.Add(time.Millisecond)
	if _, err := r.opener.Open(t.Context(), nil, sealed.Headers[len(headers)].Value, b); err == nil {
		t.Error("another time passes")
	}
}

// TestExtraHeaders: headers behind the bound ones are left out and counted, or
// passed on, but never one that is an instruction.
func TestExtraHeaders(t *testing.T) {
	r := newRig(t, nil)
	own := []pipeline.Header{{Name: "a", Value: []byte("1")}, {Name: "Nats-Own"}}
	extra := []pipeline.Header{{Name: "b"}, {Name: "nats-Rollup", Value: []byte("all")}, {Name: "STREAMCRYPT-X"}, {Name: "kv-operation"}}
	for _, value := range [][]byte{[]byte("v"), nil} {
		sealed := must(t, r.encrypt(t), pipeline.Message{Value: value, Headers: own})
		sealed.Headers = slices.Concat(sealed.Headers, extra)
		for pass, want := range map[bool][]pipeline.Header{false: own, true: slices.Concat(own, extra[:1])} {
			d := r.decrypt(t, func(o *transform.DecryptOptions) { o.PassExtraHeaders = pass })
			opened := must(t, d, sealed)
			if !sameHeaders(opened.Headers, want) {
				t.Errorf("pass %v: %v", pass, opened.Headers)
			}
			g := newGate(t, nil)
			if err := g.Admit(&opened); err != nil || g.stats.ExtraHeaders.Load() != int64(len(extra)) {
				t.Errorf("%d extra headers, %v", g.stats.ExtraHeaders.Load(), err)
			}
		}
		sealed.Headers = slices.Insert(slices.Clone(sealed.Headers), 0, extra[0])
		rejected(t, r.decrypt(t), sealed, "tampered")
	}
}

// TestNamedHeaders: of headers outside the list those pass that are no
// instruction.
func TestNamedHeaders(t *testing.T) {
	r := newRig(t, nil)
	headers := []pipeline.Header{{Name: "a"}, {Name: "KV-Operation", Value: []byte("DEL")}, {Name: "b"}, {Name: "Nats-Rollup"}}
	sealed := must(t, r.encrypt(t, r.bindOnSeal(t, "a")), pipeline.Message{Value: []byte("v"), Headers: headers})
	opened := must(t, r.decrypt(t, r.bindOnOpen(t, "a")), sealed)
	if !sameHeaders(opened.Headers, headers[:3]) {
		t.Errorf("%v", opened.Headers)
	}
}

// TestStreamHeaders: in a stream headers have no order, and one more is as bad
// as one less.
func TestStreamHeaders(t *testing.T) {
	r := newRig(t, nil)
	stream := envelope.Bind{Medium: envelope.Stream}
	e := r.encrypt(t, func(o *transform.EncryptOptions) { o.Sealer = r.newSealerWith(t, 4096, stream) })
	d := r.decrypt(t, func(o *transform.DecryptOptions) { o.Opener = newOpenerWith(t, nil, route, r.kek, stream) })
	headers := []pipeline.Header{{Name: "b", Value: []byte("1")}, {Name: "a"}, {Name: "b", Value: []byte("2")}}
	sealed := must(t, e, pipeline.Message{Value: []byte("v"), Headers: headers})
	sealed.Headers = []pipeline.Header{headers[1], headers[0], headers[2], {Name: "Nats-Sequence"}, {Name: "Streamcrypt-Key"}}
	if opened := must(t, d, sealed); !sameHeaders(opened.Headers, sealed.Headers[:3]) {
		t.Errorf("%v", opened.Headers)
	}
	sealed.Headers = append(sealed.Headers, pipeline.Header{Name: "c"})
	rejected(t, d, sealed, "tampered")
	rejected(t, e, pipeline.Message{Value: []byte("v"), Headers: []pipeline.Header{{Name: "STREAMCRYPT-anything"}}}, "reserved-header")
}

// TestAlreadySealed: an envelope is not sealed again, unless that is wanted.
func TestAlreadySealed(t *testing.T) {
	profiles(t, func(t *testing.T, r rig) {
		sealed := must(t, r.encrypt(t), pipeline.Message{Value: []byte("v")})
		rejected(t, r.encrypt(t), sealed, "already-sealed")
		pass := r.encrypt(t, func(o *transform.EncryptOptions) { o.PassSealed = true })
		must(t, r.decrypt(t), must(t, r.decrypt(t), must(t, pass, sealed)))
		must(t, r.encrypt(t), pipeline.Message{Value: sealed.Value[:20]})
	})
}

// TestPassPlain: values that are no envelopes pass where that is wanted, and
// have no position.
func TestPassPlain(t *testing.T) {
	r := newRig(t, nil)
	d := r.decrypt(t, func(o *transform.DecryptOptions) { o.PassPlain = true })
	if m := must(t, d, pipeline.Message{Value: []byte("plain")}); string(m.Value) != "plain" || m.Mark != [32]byte{} {
		t.Errorf("%q, %x", m.Value, m.Mark)
	}
	sealed := must(t, r.encrypt(t), pipeline.Message{Value: []byte("v")})
	sealed.Value[len(sealed.Value)/2] ^= 1
	if _, err := apply(t, d, sealed); err == nil {
		t.Error("a broken envelope passes")
	}
}
