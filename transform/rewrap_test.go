package transform_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// rewrap returns a transform from the rig's KEK to another.
func (r rig) rewrap(t testing.TB, to keys.Wrapper, options ...func(*transform.RewrapOptions)) *transform.Rewrap {
	t.Helper()
	all, err := envelope.NewRewrapper([]keys.Unwrapper{r.kek}, []keys.Wrapper{to}, envelope.RewrapperOptions{Store: r.store})
	if err != nil {
		t.Fatal(err)
	}
	o := transform.RewrapOptions{Rewrapper: all}
	for _, option := range options {
		option(&o)
	}
	rewrap, err := transform.NewRewrap(o)
	if err != nil {
		t.Fatal(err)
	}
	return rewrap
}

// TestRewrap: a message of any kind is the same afterwards, but for who opens
// it; and what was lent stays as it was.
func TestRewrap(t *testing.T) {
	headers := []pipeline.Header{{Name: "tenant", Value: []byte("a")}, {Name: "nothing"}}
	profiles(t, func(t *testing.T, r rig) {
		to, stats := newKEK(t), &transform.RewrapStats{}
		e, before := r.encrypt(t, r.bindOnSeal(t, "tenant")), r.decrypt(t, r.bindOnOpen(t, "tenant"))
		rewrap := r.rewrap(t, to, func(o *transform.RewrapOptions) { o.Stats = stats })
		after := rig{kek: to, store: r.store}.decrypt(t, rig{kek: to, store: r.store}.bindOnOpen(t, "tenant"))
		for _, value := range [][]byte{[]byte("v"), {}, payload(10_000), nil} {
			for _, subject := range [][]byte{nil, []byte("orders.eu")} {
				m := pipeline.Message{Key: []byte("k"), Subject: subject, Value: value, Headers: headers, Origin: pipeline.Origin{Place: "p", Offset: 7}}
				sealed := must(t, e, m)
				lent := append([]pipeline.Header(nil), sealed.Headers...)
				moved := must(t, rewrap, sealed)
				if !sameHeaders(sealed.Headers, lent) {
					t.Error("the headers that were lent have changed")
				}
				if opened := must(t, after, moved); !sameMessage(&opened, &m) {
					t.Errorf("got %+v, want %+v", opened, m)
				}
				if r.store == nil {
					rejected(t, before, moved, "unknown-key")
				}
				moved.Value, moved.Headers = sealed.Value, sealed.Headers
				if !sameMessage(&moved, &sealed) || moved.Mark != ([32]byte{}) {
					t.Error("more than value and headers changed")
				}
			}
		}
		if stats.Rewrapped.Load() != 0 {
			t.Error("counted before Reset")
		}
		rewrap.Reset()
		rewrap.Reset()
		if n := stats.Rewrapped.Load(); n != 8 || stats.Already.Load() != 0 {
			t.Errorf("%d rewrapped, %d already", n, stats.Already.Load())
		}
	})
}

func TestRewrapRefuses(t *testing.T) {
	r := newRig(t, nil)
	rewrap := r.rewrap(t, newKEK(t))
	sealed := must(t, r.encrypt(t), pipeline.Message{Key: []byte("k"), Value: []byte("v")})
	dead := must(t, r.encrypt(t), pipeline.Message{Key: []byte("k")})
	with := func(m pipeline.Message, change func(*pipeline.Message)) pipeline.Message {
		m.Headers = append([]pipeline.Header(nil), m.Headers...)
		change(&m)
		return m
	}
	rejected(t, rewrap, pipeline.Message{Value: []byte("plain")}, "not-an-envelope")
	rejected(t, rewrap, pipeline.Message{Value: []byte{}}, "not-an-envelope")
	rejected(t, rewrap, pipeline.Message{}, "bare-tombstone")
	rejected(t, rewrap, with(dead, func(m *pipeline.Message) { m.Value = []byte{} }), "reserved-header")
	rejected(t, rewrap, with(dead, func(m *pipeline.Message) { m.Headers = append(m.Headers, m.Headers...) }), "reserved-header")
	rejected(t, rewrap, with(dead, func(m *pipeline.Message) { m.Headers[0].Value = []byte("x") }), "not-an-envelope")
	rejected(t, rewrap, with(dead, func(m *pipeline.Message) { m.Headers[0].Value = nil }), "not-an-envelope")
	rejected(t, rewrap, with(sealed, func(m *pipeline.Message) { m.Value = m.Value[:len(m.Value)-1] }), "truncated")
	rejected(t, rig{kek: newKEK(t)}.rewrap(t, newKEK(t)), sealed, "unknown-key")
	rejected(t, rig{kek: newKEK(t)}.rewrap(t, newKEK(t)), dead, "unknown-key")

	pass := r.rewrap(t, newKEK(t), func(o *transform.RewrapOptions) { o.PassTombstones = true })
	if m := must(t, pass, pipeline.Message{Key: []byte("k")}); m.Value != nil || m.Headers != nil {
		t.Errorf("%+v", m)
	}
	if _, err := transform.NewRewrap(transform.RewrapOptions{}); err == nil {
		t.Error("made without keys")
	}
}

// TestRewrapKeepsSubjects: an envelope that would be published under another
// subject could not be opened there.
func TestRewrapKeepsSubjects(t *testing.T) {
	r := newRig(t, nil)
	e := r.encrypt(t)
	for name, test := range map[string]struct {
		subject func(dst, subject []byte) ([]byte, error)
		from    string
		passes  bool
	}{
		"kept":       {func(dst, s []byte) ([]byte, error) { return append(dst, s...), nil }, "orders.eu", true},
		"prefixed":   {func(dst, s []byte) ([]byte, error) { return append(append(dst, "a."...), s...), nil }, "orders.eu", false},
		"lost":       {func(dst, _ []byte) ([]byte, error) { return dst, nil }, "orders.eu", false},
		"still none": {func(dst, _ []byte) ([]byte, error) { return dst, nil }, "", true},
		"invented":   {func(dst, _ []byte) ([]byte, error) { return append(dst, 'x'), nil }, "", false},
	} {
		for _, value := range [][]byte{[]byte("v"), nil} {
			m := pipeline.Message{Value: value}
			if test.from != "" {
				m.Subject = []byte(test.from)
			}
			sealed := must(t, e, m)
			rewrap := r.rewrap(t, newKEK(t), func(o *transform.RewrapOptions) { o.Subject = test.subject })
			out, err := apply(t, rewrap, sealed)
			var refused *pipeline.Reject
			switch {
			case test.passes && (err != nil || !bytes.Equal(out.Subject, m.Subject)):
				t.Errorf("%s: %q, %v", name, out.Subject, err)
			case !test.passes && (!errors.As(err, &refused) || refused.Reason != pipeline.ReasonHeader):
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	failed := errors.New("no subject for this one")
	rewrap := r.rewrap(t, newKEK(t), func(o *transform.RewrapOptions) {
		o.Subject = func(dst, _ []byte) ([]byte, error) { return dst, failed }
	})
	if _, err := apply(t, rewrap, must(t, e, pipeline.Message{Value: []byte("v")})); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

func TestRewrapNoAllocations(t *testing.T) {
	r := newRig(t, nil)
	rewrap, e := r.rewrap(t, newKEK(t)), r.encrypt(t)
	for _, value := range [][]byte{payload(1024), nil} {
		sealed := must(t, e, pipeline.Message{Key: []byte("k"), Value: value, Headers: []pipeline.Header{{Name: "a"}}})
		buf := make([]byte, 0, rewrap.Bound(&sealed))
		allocs := testing.AllocsPerRun(100, func() {
			m := sealed
			if _, err := rewrap.Append(t.Context(), buf, &m); err != nil {
				t.Fatal(err)
			}
			rewrap.Reset()
		})
		if allocs != 0 {
			t.Errorf("%d bytes: %v allocations", len(value), allocs)
		}
	}
}
