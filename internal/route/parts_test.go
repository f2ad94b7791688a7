package route

import (
	"bytes"
	"context"
	"crypto/fips140"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

func TestNewPlace(t *testing.T) {
	id, err := endpoint.EncodeIdentity("x", "y")
	must(t, err)
	p := newPlace(id, true)
	if !p.Ordered || p.ID == ([7]byte{}) || id.String() != hex.EncodeToString(p.ID[:]) || newPlace(id, false).Ordered {
		t.Errorf("got %+v", p)
	}
}

// marked is a message whose envelope says that it was sealed in order, right
// behind the one before it.
func marked(offset byte) *pipeline.Message {
	m := &pipeline.Message{}
	m.Mark[0], m.Mark[14], m.Mark[18], m.Mark[23] = 1, offset, 1, 1
	return m
}

// A stream gives again, after later ones, what another consumer had taken and
// not written. It must not pass for a duplicate.
func TestGateBehindAnUnorderedSource(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		var stats transform.GateStats
		gate, err := newGates(ordered, &stats)("S", nil)
		must(t, err)
		for _, offset := range []byte{1, 2, 4, 5} {
			must(t, gate.Admit(marked(offset)))
		}
		if err := gate.Admit(marked(3)); errors.Is(err, pipeline.Skip) != ordered {
			t.Errorf("ordered %v: a late message: %v", ordered, err)
		}
		if err := gate.Admit(marked(4)); !errors.Is(err, pipeline.Skip) {
			t.Errorf("ordered %v: a duplicate: %v", ordered, err)
		}
		if gaps := stats.Gaps.Load(); (gaps == 1) != ordered {
			t.Errorf("ordered %v: %d gaps", ordered, gaps)
		}
	}
	if _, err := newGates(true, nil)("S", []byte{1}); err == nil {
		t.Error("a state that is none is accepted")
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

func TestTag(t *testing.T) {
	testDir(t)
	writeFile(t, "small", []byte("x"))
	writeFile(t, "long", payload(9000))
	must(t, os.Mkdir("store", 0o700))
	mustRun(t, Encrypt, Config{From: "file:small", To: "file:a"})
	mustRun(t, Encrypt, config("ref", Config{From: "file:long", To: "file:b", ChunkSize: 4096}))
	one, many := readFile(t, "a"), readFile(t, "b")
	head := bytes.Index(one, []byte{0x81, 0x83, 0x40}) // recipients follow the tag
	got, err := appendTag([]byte("t"), &pipeline.Message{Value: one})
	if err != nil || string(got) != "t"+string(one[head-16:head]) {
		t.Errorf("single: %x, %v", got, err)
	}
	got, err = appendTag(nil, &pipeline.Message{Value: many})
	if err != nil || string(got) != string(many[len(many)-17:len(many)-1]) { // before the break
		t.Errorf("chunked: %x, %v", got, err)
	}
	got, err = appendTag(nil, &pipeline.Message{Headers: []pipeline.Header{{Name: "streamcrypt", Value: one}}})
	if err != nil || string(got) != string(one[head-16:head]) {
		t.Errorf("tombstone: %x, %v", got, err)
	}
	for _, m := range []pipeline.Message{{}, {Value: []byte("plain")}, {Value: []byte{}}} {
		if _, err := appendTag(nil, &m); err == nil {
			t.Errorf("%q has a tag", m.Value)
		}
	}
}

// The end record is what docs/envelope.md, section 9, says: kind 3, over count
// and digest.
func TestEndRecord(t *testing.T) {
	testDir(t)
	p := &plan{Config: Config{Keys: []string{"local:k.jwk"}}, env: Env{Log: quiet}}
	sealer, err := p.loadSealing(t.Context(), true)
	must(t, err)
	opener, err := p.loadOpening(t.Context())
	must(t, err)
	digest := [32]byte{7, 8, 9}
	record, err := newSealedArchive(sealer).SealEnd(t.Context(), []byte("r"), 0x0102, digest)
	must(t, err)
	got, at, err := opener.NewWorker().Open(t.Context(), nil, record[1:], &envelope.Binding{Kind: 3})
	if want := "0000000000000102" + hex.EncodeToString(digest[:]); err != nil || hex.EncodeToString(got) != want || at.Place != ([7]byte{}) {
		t.Errorf("got %x at %v, %v", got, at, err)
	}
	open := newOpenedArchive(opener).OpenEnd
	if n, d, err := open(t.Context(), record[1:]); err != nil || n != 0x0102 || d != digest {
		t.Errorf("got %d, %x, %v", n, d, err)
	}
	value, err := sealer.Seal(t.Context(), nil, got, envelope.Binding{})
	must(t, err)
	if _, _, err := open(t.Context(), value); err == nil {
		t.Error("a message is taken for an end record")
	}
	short, err := sealer.Seal(t.Context(), nil, got[:39], envelope.Binding{Kind: envelope.EndOfArchive})
	must(t, err)
	var refused *envelope.Error
	if _, _, err := open(t.Context(), short); !errors.As(err, &refused) || refused.Reason != envelope.ReasonMalformed {
		t.Errorf("got %v", err)
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
		{From: "file:s", To: "file:o", Keys: []string{"vault:transit/orders"}}: "local:, x25519:, rsa:, awskms:",
	} {
		if _, err := run(t, Decrypt, *c, Env{}); !errors.As(err, &advised) || !strings.Contains(advised.Hint, hint) {
			t.Errorf("%v: got %v", c.Keys, err)
		}
	}
}
