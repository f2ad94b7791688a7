package route

import (
	"bytes"
	"context"
	"crypto/fips140"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestNewPlaces: positions name a partition, a source without partitions, or
// nothing.
func TestNewPlaces(t *testing.T) {
	id, err := endpoint.EncodeIdentity("x", "y")
	must(t, err)
	topic := &endpoint.Source{Identity: id, Ordered: true, NumberPlace: func(place string) (int32, bool) {
		n, err := strconv.Atoi(place)
		return int32(n), err == nil
	}}
	for name, test := range map[string]struct {
		in    *endpoint.Source
		keeps bool
		place string
		want  transform.Place
	}{
		"a partition":        {topic, true, "7", transform.Place{Source: id.Short(), Partition: 7, Ordered: true, SamePartition: true}},
		"not kept":           {topic, false, "7", transform.Place{Source: id.Short(), Partition: 7, Ordered: true}},
		"the last partition": {topic, true, "65535", transform.Place{Source: id.Short(), Partition: 65535, Ordered: true, SamePartition: true}},
		"one too many":       {topic, true, "65536", transform.Place{}},
		"another place":      {topic, true, "x", transform.Place{}},
		"a stream":           {&endpoint.Source{Identity: id, RisingTerms: true}, true, "S", transform.Place{Source: id.Short(), Rising: true}},
		"no identity":        {&endpoint.Source{Ordered: true}, true, "S", transform.Place{Ordered: true}},
	} {
		if got := newPlaces(test.in, test.keeps)(test.place); got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// stub is a transform that makes its value of another, or null.
type stub struct {
	value []byte
	seen  []pipeline.Header
}

func (s *stub) Reset()                      {}
func (s *stub) Bound(*pipeline.Message) int { return len(s.value) }
func (s *stub) Append(_ context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	s.seen = m.Headers
	return append(dst, s.value...), nil
}

func TestFittedHeaders(t *testing.T) {
	raw := []byte{0xd8, 0x60, '\r', '\n', ' '}
	text := []byte("2GANCiA")
	header := func(v []byte) []pipeline.Header {
		return []pipeline.Header{{Name: "a", Value: []byte("b")}, {Name: "streamcrypt", Value: v}}
	}
	tests := []struct {
		name                string
		t                   fitted
		value, before, want []byte
	}{
		{"out", fitted{textOut: true}, nil, raw, text},
		{"in", fitted{textIn: true}, nil, text, raw},
		{"in, no text of ours", fitted{textIn: true}, nil, []byte("2GA NC"), []byte("2GA NC")},
		{"neither", fitted{}, nil, raw, raw},
		{"a value", fitted{textIn: true, textOut: true}, []byte("v"), raw, raw},
	}
	for _, tc := range tests {
		inner := &stub{}
		tc.t.Transform = inner
		given := header(tc.before)
		m := pipeline.Message{Value: tc.value, Headers: given}
		if _, err := tc.t.Append(t.Context(), nil, &m); err != nil {
			t.Fatal(err)
		}
		got := m.Headers
		if tc.t.textIn {
			got = inner.seen
		}
		if !bytes.Equal(got[1].Value, tc.want) || got[0].Name != "a" {
			t.Errorf("%s: got %q, want %q", tc.name, got[1].Value, tc.want)
		}
		if !bytes.Equal(given[1].Value, tc.before) {
			t.Errorf("%s: the headers that were lent have changed", tc.name)
		}
		tc.t.Reset()
	}
}

func TestFittedCheck(t *testing.T) {
	refused := &pipeline.Reject{Reason: "too-large"}
	var size int
	var value string
	f := fitted{Transform: &stub{value: []byte("plain")}, check: func(m *pipeline.Message, n int) error {
		size, value = n, string(m.Value)
		return refused
	}}
	dst := append(make([]byte, 0, 64), "before"...)
	m := pipeline.Message{Value: []byte("sealed")}
	out, err := f.Append(t.Context(), dst, &m)
	if !errors.Is(err, refused) || string(out) != "before" || size != len("plain") || value != "plain" {
		t.Errorf("got %q, %v, checked with %q of %d bytes", out, err, value, size)
	}
	if string(m.Value) != "sealed" {
		t.Errorf("the message has become %q", m.Value)
	}
	if bytes.Contains(dst[:cap(dst)], []byte("plain")) {
		t.Error("what the sink cannot carry is still in memory")
	}
	f.check = func(_ *pipeline.Message, n int) error { size = n; return nil }
	if _, err = f.Append(t.Context(), nil, &pipeline.Message{}); err != nil || size != 0 {
		t.Errorf("a null value is checked with %d bytes, %v", size, err)
	}
}

// With GODEBUG=fips140=only counter nonces are an error at the start, with
// advice, and random ones work. The mode is the process's, so the test runs
// itself again.
func TestFIPSOnly(t *testing.T) {
	if !fips140.Enforced() {
		again := exec.Command(os.Args[0], "-test.run=^TestFIPSOnly$")
		again.Env = append(os.Environ(), "GODEBUG=fips140=only")
		if out, err := again.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	testDir(t)
	writeFile(t, "plain", payload(10_000))
	err := refuses(t, Encrypt, Config{From: "file:plain", To: "file:sealed"}, "nonces from a counter")
	var advised *hint.Error
	if !errors.As(err, &advised) || !strings.Contains(advised.Hint, "--nonce=random") {
		t.Errorf("hint of %v", err)
	}
	noFile(t, "sealed")
	mustRun(t, Encrypt, Config{From: "file:plain", To: "file:sealed", Nonce: "random", ChunkSize: 4096})
	mustRun(t, Decrypt, Config{From: "file:sealed", To: "file:out"})
	same(t, readFile(t, "out"), payload(10_000))
}

func TestExplain(t *testing.T) {
	env := Env{}.complete()
	if env.explain(nil) != nil {
		t.Error("nil is explained")
	}
	plain := errors.New("x")
	if err := env.explain(plain); err != plain {
		t.Errorf("got %v", err)
	}
	own := hint.PrefixError("from", &hint.Error{Err: plain, Hint: "h"})
	var advised *hint.Error
	if err := env.explain(own); !errors.As(err, &advised) || advised.Hint != "h" || err.Error() != "from: x" || !errors.Is(err, plain) {
		t.Errorf("got %v", err)
	}
	testDir(t)
	for c, hint := range map[*Config]string{
		{From: "file:s", To: "file:o", Keys: []string{"x25519:x.pub"}}:         "private key",
		{From: "file:s", To: "file:o", Keys: []string{"vault:transit/orders"}}: "local:, x25519:, rsa:, nkey:, awskms:, exec:",
	} {
		if _, err := run(t, Decrypt, *c, Env{}); !errors.As(err, &advised) || !strings.Contains(advised.Hint, hint) {
			t.Errorf("%v: got %v", c.Keys, err)
		}
	}
}
