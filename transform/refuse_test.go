package transform_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestMoved: an envelope that stands anywhere but where it was sealed for is
// refused, a value and a tombstone alike.
func TestMoved(t *testing.T) {
	headers := []pipeline.Header{{Name: "tenant", Value: []byte("a")}, {Name: "free", Value: []byte("x")}, {Name: "tenant"}}
	header := func(i int, h pipeline.Header) func(*pipeline.Message) {
		return func(m *pipeline.Message) { m.Headers = slices.Clone(m.Headers); m.Headers[i] = h }
	}
	cut := func(i int) func(*pipeline.Message) {
		return func(m *pipeline.Message) { m.Headers = slices.Delete(slices.Clone(m.Headers), i, i+1) }
	}
	added := func(h pipeline.Header) func(*pipeline.Message) {
		return func(m *pipeline.Message) { m.Headers = append([]pipeline.Header{h}, m.Headers...) }
	}
	tests := []struct {
		name   string
		change func(*pipeline.Message)
		passes bool
	}{
		{"re-keyed", func(m *pipeline.Message) { m.Key = []byte("k2") }, false},
		{"empty key", func(m *pipeline.Message) { m.Key = []byte{} }, false},
		{"null key", func(m *pipeline.Message) { m.Key = nil }, false},
		{"other subject", func(m *pipeline.Message) { m.Subject = []byte("orders.us") }, false},
		{"no subject", func(m *pipeline.Message) { m.Subject = nil }, false},
		{"bound header changed", header(0, pipeline.Header{Name: "tenant", Value: []byte("b")}), false},
		{"bound header made null", header(0, pipeline.Header{Name: "tenant"}), false},
		{"bound null made empty", header(2, pipeline.Header{Name: "tenant", Value: []byte{}}), false},
		{"bound header renamed", header(0, pipeline.Header{Name: "Tenant", Value: []byte("a")}), false},
		{"bound header dropped", cut(0), false},
		{"bound null dropped", cut(2), false},
		{"bound header added", added(pipeline.Header{Name: "tenant", Value: []byte("z")}), false},
		{"bound name that was absent added", added(pipeline.Header{Name: "absent"}), false},
		{"unbound header changed", header(1, pipeline.Header{Name: "free", Value: []byte("y")}), true},
		{"unbound header dropped", cut(1), true},
		{"unbound header added", added(pipeline.Header{Name: "more", Value: []byte("z")}), true},
		{"other place and offset", func(m *pipeline.Message) { m.Origin = pipeline.Origin{Place: "x", Offset: 1} }, true},
	}
	r := newRig(t, nil)
	e, d := r.encrypt(t, r.bindOnSeal(t, "tenant", "absent")), r.decrypt(t, r.bindOnOpen(t, "tenant", "absent"))
	for _, value := range [][]byte{[]byte("v"), payload(10_000), nil} {
		sealed := must(t, e, pipeline.Message{Key: []byte("k"), Subject: []byte("orders.eu"), Value: value, Headers: headers})
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				m := sealed
				test.change(&m)
				if !test.passes {
					rejected(t, d, m, "tampered")
				} else if out := must(t, d, m); !same(out.Value, value) {
					t.Errorf("%d bytes", len(out.Value))
				}
			})
		}
		t.Run("other context", func(t *testing.T) {
			elsewhere := r.decrypt(t, r.bindOnOpen(t, "tenant", "absent"), func(o *transform.DecryptOptions) {
				o.Opener = newOpenerWith(t, r.store, "elsewhere", r.kek, namedBind([]string{"tenant", "absent"}))
			})
			rejected(t, elsewhere, sealed, "tampered")
		})
		t.Run("not bound on opening", func(t *testing.T) { rejected(t, r.decrypt(t, r.bindOnOpen(t, "tenant")), sealed, "tampered") })
	}
}

// TestSwapped: envelopes that change places between records, and between a
// value and a tombstone, are refused.
func TestSwapped(t *testing.T) {
	r := newRig(t, nil)
	e, d := r.encrypt(t), r.decrypt(t)
	a := must(t, e, pipeline.Message{Key: []byte("a"), Value: []byte("1")})
	b := must(t, e, pipeline.Message{Key: []byte("b"), Value: []byte("2")})
	empty := must(t, e, pipeline.Message{Key: []byte("a"), Value: []byte{}})
	gone := must(t, e, pipeline.Message{Key: []byte("a")})
	a.Value, b.Value = b.Value, a.Value
	rejected(t, d, a, "tampered")
	rejected(t, d, b, "tampered")
	rejected(t, d, pipeline.Message{Key: []byte("a"), Value: gone.Headers[0].Value}, "tampered")
	rejected(t, d, pipeline.Message{
		Key: []byte("a"), Headers: []pipeline.Header{{Name: transform.HeaderName, Value: empty.Value}},
	}, "tampered")
}

// TestNotSealed: what no envelope came with, and what has one too many.
func TestNotSealed(t *testing.T) {
	r := newRig(t, nil)
	sealed := must(t, r.encrypt(t), pipeline.Message{Value: []byte("v")})
	gone := must(t, r.encrypt(t), pipeline.Message{})
	ours := func(value []byte) pipeline.Header { return pipeline.Header{Name: transform.HeaderName, Value: value} }
	withPayload, err := r.sealer.Seal(t.Context(), nil, []byte("v"), envelope.Binding{Kind: envelope.Tombstone})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		m      pipeline.Message
		reason pipeline.Reason
	}{
		{"plaintext", pipeline.Message{Value: []byte(`{"card":"4111"}`)}, "not-an-envelope"},
		{"empty value", pipeline.Message{Value: []byte{}}, "not-an-envelope"},
		{"bare tombstone", pipeline.Message{Headers: []pipeline.Header{{Name: "h"}}}, "bare-tombstone"},
		{"null in our header", pipeline.Message{Headers: []pipeline.Header{ours(nil)}}, "not-an-envelope"},
		{"plaintext in our header", pipeline.Message{Headers: []pipeline.Header{ours([]byte("x"))}}, "not-an-envelope"},
		{"payload in a tombstone", pipeline.Message{Headers: []pipeline.Header{ours(withPayload)}}, "malformed"},
		{"our header twice", pipeline.Message{Headers: []pipeline.Header{gone.Headers[0], gone.Headers[0]}}, "reserved-header"},
		{"our header and another of the name", pipeline.Message{Headers: []pipeline.Header{ours(nil), gone.Headers[0]}}, "reserved-header"},
		{"our header beside a value", pipeline.Message{Value: sealed.Value, Headers: gone.Headers}, "reserved-header"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rejected(t, r.decrypt(t), test.m, test.reason)
			// Letting bare tombstones through lets nothing else through.
			pass := r.decrypt(t, func(o *transform.DecryptOptions) { o.PassTombstones = true })
			if test.reason != "bare-tombstone" {
				rejected(t, pass, test.m, test.reason)
				return
			}
			test.m.Mark[0] = 1
			m := must(t, pass, test.m)
			if m.Value != nil || !sameHeaders(m.Headers, test.m.Headers) || m.Mark != [32]byte{} {
				t.Errorf("passed as %+v", m)
			}
		})
	}
	t.Run("sealed tombstone where bare ones pass", func(t *testing.T) {
		pass := r.decrypt(t, func(o *transform.DecryptOptions) { o.PassTombstones = true })
		if m := must(t, pass, gone); len(m.Headers) != 0 {
			t.Errorf("headers %v", m.Headers)
		}
		gone.Key = []byte("other")
		rejected(t, pass, gone, "tampered")
	})
}

// TestPassedWithoutInstructions: nothing vouches for a message that passes
// without an envelope, so it instructs nobody: Streamcrypt-Rollup would empty a
// NATS stream.
func TestPassedWithoutInstructions(t *testing.T) {
	h := func(name, value string) pipeline.Header { return pipeline.Header{Name: name, Value: []byte(value)} }
	headers := []pipeline.Header{
		h("a", "1"), h("Streamcrypt-Rollup", "all"), h("KV-Operation", "PURGE"), h("nats-ttl", "1s"), h("b", "2"),
		h("Streamcrypt-TTL", "1s"), h("Streamcrypt-Msg-Id", "x"), h("kv-operation", "DEL"), h("Nats-Rollup", "sub"),
	}
	plain := []pipeline.Header{headers[0], headers[4]}
	with := func(operations ...string) (all []pipeline.Header) {
		all = slices.Clone(plain)
		for _, operation := range operations {
			all = append(all, h("KV-Operation", operation))
		}
		return all
	}
	d := newRig(t, nil).decrypt(t, func(o *transform.DecryptOptions) { o.PassPlain, o.PassTombstones = true, true })
	for name, test := range map[string]struct {
		value         []byte
		headers, want []pipeline.Header
	}{
		"plaintext":               {[]byte("plain"), headers, plain},
		"a plaintext that is one": {[]byte("plain"), with("DEL"), plain},
		"tombstone":               {nil, headers, with("DEL")},
		"a KV delete":             {nil, with("DEL"), with("DEL")},
		"a KV purge":              {nil, with("PURGE"), with("DEL")},
		"another operation":       {nil, with("PUT"), plain},
		"both":                    {nil, with("DEL", "PURGE"), with("DEL")},
		"other headers":           {nil, plain, plain},
		"none":                    {[]byte("plain"), nil, nil},
	} {
		before := slices.Clone(test.headers)
		m := must(t, d, pipeline.Message{Key: []byte("k"), Value: test.value, Headers: test.headers})
		if !sameHeaders(m.Headers, test.want) || !sameHeaders(test.headers, before) {
			t.Errorf("%s: %q", name, m.Headers)
		}
	}
}

// TestReservedHeader: a plaintext message that has our header already is not
// sealed.
func TestReservedHeader(t *testing.T) {
	e := newRig(t, nil).encrypt(t)
	for _, value := range [][]byte{nil, {}, []byte("v")} {
		for _, h := range [][]byte{nil, []byte("x")} {
			rejected(t, e, pipeline.Message{Value: value, Headers: []pipeline.Header{{Name: "a"}, {Name: transform.HeaderName, Value: h}}}, "reserved-header")
		}
	}
	must(t, e, pipeline.Message{Headers: []pipeline.Header{{Name: "Streamcrypt"}}}) // names are bytes
}

// TestRejectsShowNothing: nothing of a message is in the error, and plaintext
// that was refused late is not left in memory.
func TestRejectsShowNothing(t *testing.T) {
	r := newRig(t, nil)
	secret := []byte("4111-1111-1111-1111")
	sealed := must(t, r.encrypt(t), pipeline.Message{Key: secret, Value: secret, Headers: []pipeline.Header{{Name: "h", Value: secret}}})
	sealed.Key = append([]byte("x"), secret...)
	for _, m := range []pipeline.Message{sealed, {Value: secret}, {Headers: []pipeline.Header{{Name: transform.HeaderName, Value: secret}}}} {
		if _, err := apply(t, r.decrypt(t), m); err == nil || bytes.Contains([]byte(err.Error()), secret) {
			t.Errorf("%v", err)
		}
	}
}

// goneKEK fits everything and cannot be used.
type goneKEK struct{}

func (goneKEK) Name() string              { return "gone" }
func (goneKEK) Fits(w *keys.Wrapped) bool { return true }
func (goneKEK) Unwrap(context.Context, keys.Context, []byte, *keys.Wrapped) ([]byte, error) {
	return nil, &keys.Error{Class: keys.Gone, Key: "gone", Op: "unwrap", Err: errors.New("denied")}
}

// TestKeys: a message whose key nobody has is at fault itself; a KEK that is
// gone, and a wait that was broken off, are not its fault.
func TestKeys(t *testing.T) {
	profiles(t, func(t *testing.T, r rig) {
		for _, value := range [][]byte{[]byte("v"), nil} {
			sealed := must(t, r.encrypt(t), pipeline.Message{Value: value})
			stranger := rig{opener: newOpener(t, nil, route, newKEK(t))}
			rejected(t, stranger.decrypt(t), sealed, "unknown-key")
		}
	})
	var refused *pipeline.Reject
	r := newRig(t, nil)
	sealed := must(t, r.encrypt(t), pipeline.Message{Value: []byte("v")})
	var service *keys.Error
	_, err := apply(t, rig{opener: newOpener(t, nil, route, goneKEK{})}.decrypt(t), sealed)
	if errors.As(err, &refused) || !errors.As(err, &service) || service.Class != keys.Gone {
		t.Errorf("a KEK that is gone: %v", err)
	}
	if !pipeline.MayPass(err) {
		t.Errorf("a KEK that is gone does not come back: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newRig(t, nil).encrypt(t).Append(ctx, nil, &pipeline.Message{Value: []byte("v")})
	if errors.As(err, &refused) || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
}
