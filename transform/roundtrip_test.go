package transform_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

var bothSides = []string{"tenant", "absent", "empty"}

func bindOnSeal(names ...string) func(*transform.EncryptOptions) {
	return func(o *transform.EncryptOptions) { o.Bind = names }
}

func bindOnOpen(names ...string) func(*transform.DecryptOptions) {
	return func(o *transform.DecryptOptions) { o.Bind = names }
}

// TestRoundTrip: what was null, empty, repeated or large comes back as it was, tombstones included.
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
		e, d := r.encrypt(t, bindOnSeal(bothSides...)), r.decrypt(t, bindOnOpen(bothSides...))
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

// TestSubject: the envelope is bound to the subject under which it is published, on the ciphertext side.
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

// TestNoSubject: a map that makes nothing leaves a message without a subject, whatever was sealed before it.
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

// TestErrorsPass: what Subject returns is the transform's error, on both sides, and nothing is left of the message.
func TestErrorsPass(t *testing.T) {
	boom := errors.New("boom")
	for _, want := range []error{boom, pipeline.Skip, &pipeline.Reject{Reason: "header"}} {
		subject := func(dst, _ []byte) ([]byte, error) { return append(dst, "half"...), want }
		r := newRig(t, nil)
		sealed := must(t, r.encrypt(t), pipeline.Message{Value: []byte("secret payload")})
		for name, by := range map[string]pipeline.Transform{
			"encrypt, subject": r.encrypt(t, func(o *transform.EncryptOptions) { o.Subject = subject }),
			"decrypt, subject": r.decrypt(t, func(o *transform.DecryptOptions) { o.Subject = subject }),
		} {
			t.Run(fmt.Sprint(name, " ", want), func(t *testing.T) {
				if _, err := apply(t, by, sealed); err != want {
					t.Errorf("got %v", err)
				}
				dst := make([]byte, 0, 1024)
				m := sealed
				_, _ = by.Append(t.Context(), dst, &m)
				if bytes.Contains(dst[:cap(dst)], []byte("secret")) {
					t.Error("plaintext is left behind the slice")
				}
			})
		}
	}
}

// TestOptions: what cannot be bound, and keys that are not there, are refused at the start.
func TestOptions(t *testing.T) {
	r := newRig(t, nil)
	for name, o := range map[string]transform.Common{
		"no name": {Bind: []string{"a", ""}}, "our header": {Bind: []string{"a", transform.HeaderName}},
	} {
		if _, err := transform.NewEncrypt(transform.EncryptOptions{Common: o, Sealer: r.sealer}); err == nil {
			t.Errorf("encrypt: %s", name)
		}
		if _, err := transform.NewDecrypt(transform.DecryptOptions{Common: o, Opener: r.opener}); err == nil {
			t.Errorf("decrypt: %s", name)
		}
	}
	if _, err := transform.NewEncrypt(transform.EncryptOptions{}); err == nil {
		t.Error("encrypt without keys")
	}
	if _, err := transform.NewDecrypt(transform.DecryptOptions{}); err == nil {
		t.Error("decrypt without keys")
	}
	// Neither the order of the names nor repeating one makes a difference, and the caller's slice stays as it is.
	names := []string{"b", "a", "b"}
	m := pipeline.Message{Value: []byte("v"), Headers: []pipeline.Header{{Name: "b", Value: []byte("1")}, {Name: "a", Value: []byte("2")}}}
	must(t, r.decrypt(t, bindOnOpen("a", "b")), must(t, r.encrypt(t, bindOnSeal(names...)), m))
	if names[0] != "b" || names[1] != "a" {
		t.Errorf("names became %q", names)
	}
}

// TestBinding holds what is sealed to docs/envelope.md, by opening it with a Binding written out by hand.
func TestBinding(t *testing.T) {
	r := newRig(t, nil)
	o := r.opener
	headers := []pipeline.Header{{Name: "z", Value: []byte("1")}, {Name: "a"}, {Name: "z", Value: []byte{}}, {Name: "free", Value: []byte("x")}}
	b := envelope.Binding{
		Subject: []byte("s"), Key: []byte("k"),
		Bound: []envelope.Bound{{Name: "Z"}, {Name: "a", Values: [][]byte{nil}}, {Name: "z", Values: [][]byte{[]byte("1"), {}}}},
	}
	e := r.encrypt(t, bindOnSeal("z", "Z", "a"))
	sealed := must(t, e, pipeline.Message{Key: []byte("k"), Subject: []byte("s"), Value: []byte("v"), Headers: headers})
	if out, err := o.Open(t.Context(), nil, sealed.Value, b); err != nil || string(out) != "v" {
		t.Errorf("value: %q, %v", out, err)
	}
	sealed = must(t, e, pipeline.Message{Key: []byte("k"), Subject: []byte("s"), Headers: headers})
	b.Kind = envelope.Tombstone
	if out, err := o.Open(t.Context(), nil, sealed.Headers[len(headers)].Value, b); err != nil || len(out) != 0 {
		t.Errorf("tombstone: %q, %v", out, err)
	}
}
