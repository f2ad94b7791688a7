package transform_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

const route = "orders-enc"

// rig has both sides of one route.
type rig struct {
	kek    *local.AES
	store  kekcache.Store
	sealer *envelope.Sealer
	opener *envelope.Opener
}

func newRig(t testing.TB, store kekcache.Store) rig {
	t.Helper()
	kek := newKEK(t)
	r := rig{kek: kek, store: store, opener: newOpener(t, store, route, kek)}
	r.sealer = r.newSealer(t, 4096)
	return r
}

func (r rig) newSealer(t testing.TB, chunkSize int) *envelope.Sealer {
	return r.newSealerWith(t, chunkSize, envelope.Bind{})
}

func (r rig) newSealerWith(t testing.TB, chunkSize int, bind envelope.Bind) *envelope.Sealer {
	t.Helper()
	s, err := envelope.NewSealer([]keys.Wrapper{r.kek}, envelope.SealerOptions{
		Context: route, ChunkSize: chunkSize, Store: r.store, Bind: bind,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newKEK(t testing.TB) *local.AES {
	t.Helper()
	file, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	kek, err := local.ParseAES(file)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

func newOpener(t testing.TB, store kekcache.Store, context string, kek keys.Unwrapper) *envelope.Opener {
	return newOpenerWith(t, store, context, kek, envelope.Bind{})
}

func newOpenerWith(
	t testing.TB, store kekcache.Store, context string, kek keys.Unwrapper, bind envelope.Bind,
) *envelope.Opener {
	t.Helper()
	o, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{
		Context: context, Store: store, Bind: bind, ExtraHeaders: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// profiles runs a test in both.
func profiles(t *testing.T, test func(t *testing.T, r rig)) {
	t.Run("self-contained", func(t *testing.T) { test(t, newRig(t, nil)) })
	t.Run("by reference", func(t *testing.T) { test(t, newRig(t, new(keystoretest.Memory))) })
}

// encrypt and decrypt return a transform of the rig's route; options say how it
// differs.

func (r rig) encrypt(t testing.TB, options ...func(*transform.EncryptOptions)) *transform.Encrypt {
	t.Helper()
	o := transform.EncryptOptions{Sealer: r.sealer}
	for _, option := range options {
		option(&o)
	}
	e, err := transform.NewEncrypt(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (r rig) decrypt(t testing.TB, options ...func(*transform.DecryptOptions)) *transform.Decrypt {
	t.Helper()
	o := transform.DecryptOptions{Opener: r.opener}
	for _, option := range options {
		option(&o)
	}
	d, err := transform.NewDecrypt(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// apply does to a message what the pipeline does, and holds the transform to
// its Bound.
func apply(t testing.TB, by pipeline.Transform, m pipeline.Message) (pipeline.Message, error) {
	t.Helper()
	bound := by.Bound(&m)
	dst := []byte("before")
	out, err := by.Append(t.Context(), dst, &m)
	if !bytes.HasPrefix(out, dst) {
		t.Fatalf("Append changed what was there: %q", out[:min(len(out), len(dst))])
	}
	switch added := len(out) - len(dst); {
	case err != nil && added != 0:
		t.Fatalf("%d bytes beside the error %v", added, err)
	case added > bound:
		t.Fatalf("Append added %d bytes after a Bound of %d", added, bound)
	case err == nil && m.Value == nil && added != 0:
		t.Fatalf("%d bytes for a null value", added)
	}
	if m.Value != nil {
		m.Value = out[len(dst):]
	}
	return m, err
}

// must is apply of a message that passes.
func must(t testing.TB, by pipeline.Transform, m pipeline.Message) pipeline.Message {
	t.Helper()
	m, err := apply(t, by, m)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// rejected checks that a message is rejected for a reason.
func rejected(t testing.TB, by pipeline.Transform, m pipeline.Message, reason pipeline.Reason) {
	t.Helper()
	_, err := apply(t, by, m)
	var r *pipeline.Reject
	if !errors.As(err, &r) || r.Reason != reason {
		t.Fatalf("got %v, want a reject for %q", err, reason)
	}
	var cause *envelope.Error
	if errors.As(err, &cause) && pipeline.Reason(cause.Reason) != reason || cause == nil && r.Err != nil {
		t.Fatalf("rejected for %q because of %v", reason, r.Err)
	}
	if ours := []pipeline.Reason{
		pipeline.ReasonBareTombstone, pipeline.ReasonReservedHeader, pipeline.ReasonAlreadySealed,
	}; cause == nil && !slices.Contains(ours, reason) {
		t.Fatalf("rejected for %q without a cause", reason)
	}
}

func payload(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// same says whether two byte strings are equal, null not being empty.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func sameHeaders(a, b []pipeline.Header) bool {
	return slices.EqualFunc(a, b, func(a, b pipeline.Header) bool { return a.Name == b.Name && same(a.Value, b.Value) })
}

func sameMessage(a, b *pipeline.Message) bool {
	return same(a.Key, b.Key) && same(a.Value, b.Value) && same(a.Subject, b.Subject) &&
		sameHeaders(a.Headers, b.Headers) && a.Time.Equal(b.Time) && a.Origin == b.Origin
}

const unknown = envelope.UnknownDistance

// at is a position in a source.
type at struct {
	source        byte // 0: none
	partition     uint16
	term, offset  uint64
	distance      uint32
	rising, moved bool // moved: the sink does not keep partitions
	stranger      bool // nobody vouches for the key
}

// marked is a message as Decrypt leaves it for the Gate.
func marked(a at) *pipeline.Message {
	m := new(pipeline.Message)
	m.Mark[0] = 1
	for i, is := range []bool{!a.stranger, a.rising, !a.moved} {
		if is {
			m.Mark[0] |= 2 << i
		}
	}
	m.Mark[1] = a.source
	binary.BigEndian.PutUint16(m.Mark[6:], a.partition)
	binary.BigEndian.PutUint64(m.Mark[8:], a.term)
	binary.BigEndian.PutUint64(m.Mark[16:], a.offset)
	binary.BigEndian.PutUint32(m.Mark[24:], a.distance)
	return m
}
