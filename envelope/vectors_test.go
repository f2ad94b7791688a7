package envelope_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// streamed are the vectors of which a Reader meets a later fault first, and
// that fault's word.
var streamed = map[string]string{
	"chunked-segment-claims-2-to-64":  "malformed",   // the segment is longer than a chunk; that the input ends comes later
	"segments-one-before-unknown-key": "unknown-key", // the key is needed before the segments have been counted
}

// TestVectors runs every vector through Open and through a Reader, from a pipe
// and from a file.
func TestVectors(t *testing.T) {
	all, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 1000 {
		t.Fatalf("%d vectors", len(all))
	}
	for i := range all {
		v := &all[i]
		t.Run(v.Name, func(t *testing.T) { atTime(t, v.Now, func(t *testing.T) { testVector(t, v) }) })
	}
}

// atTime runs a test when the clock shows now, in unix seconds.
func atTime(t *testing.T, now *int64, test func(t *testing.T)) {
	if now == nil {
		test(t)
		return
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(*now, 0)))
		test(t)
	})
}

func testVector(t *testing.T, v *vectors.Vector) {
	b := vectorBinding(v)
	prefix := []byte("prefix")
	out, opened, err := vectorOpener(t, v).NewWorker().Open(t.Context(), prefix, v.Envelope, &b)
	if !bytes.HasPrefix(out, prefix) || err != nil && len(out) != len(prefix) {
		t.Errorf("Open returned %d bytes, %v", len(out), err)
	}
	checkVector(t, "Open", v, out[len(prefix):], err)
	if err == nil && opened.Extra != v.Extra {
		t.Errorf("%d extra headers, want %d", opened.Extra, v.Extra)
	}
	for door, in := range map[string]io.Reader{
		"pipe": onlyReader{bytes.NewReader(v.Envelope)}, "file": bytes.NewReader(v.Envelope),
	} {
		out, err := io.ReadAll(vectorOpener(t, v).NewReader(t.Context(), in, b))
		want := *v
		want.Expect = cmp.Or(streamed[v.Name], v.Expect)
		checkVector(t, door, &want, out, err)
	}
}

func checkVector(t *testing.T, door string, v *vectors.Vector, out []byte, err error) {
	t.Helper()
	if v.Expect != "ok" {
		var refused *envelope.Error
		if !errors.As(err, &refused) || string(refused.Reason) != v.Expect {
			t.Errorf("%s: %v, want %s", door, err, v.Expect)
		}
		return
	}
	if err != nil || !isPayload(&v.Payload, out) {
		t.Errorf("%s: %d bytes, %v", door, len(out), err)
	}
}

func isPayload(want *vectors.Payload, got []byte) bool {
	if want.SHA256 == nil {
		return bytes.Equal(got, want.Plaintext)
	}
	sum := sha256.Sum256(got)
	return len(got) == want.Length && bytes.Equal(sum[:], want.SHA256)
}

// vectorBinding is that of a vector.
func vectorBinding(v *vectors.Vector) envelope.Binding {
	b := envelope.Binding{Subject: v.Subject, Key: v.Key, Kind: envelope.Kind(v.Kind)}
	for _, h := range v.Headers {
		b.Headers = append(b.Headers, envelope.Header{Name: string(h.Name), Value: h.Value})
	}
	if v.Time != nil {
		b.Time = time.UnixMilli(*v.Time)
	}
	return b
}

// vectorOpener opens with a vector's keys and records.
func vectorOpener(t testing.TB, v *vectors.Vector) *envelope.Opener {
	t.Helper()
	return vectorOpenerWith(t, v, newVectorStore(v.Envelope, v.Records, v.DictionaryRecords), vectorKEKs(t, &v.Reader))
}

func vectorOpenerWith(
	t testing.TB, v *vectors.Vector, store kekcache.Store, keks []keys.Unwrapper,
) *envelope.Opener {
	t.Helper()
	o := readerOptions(t, &v.Reader)
	o.Bind.Medium = map[string]envelope.Medium{"stream": envelope.Stream}[v.Medium]
	o.NoClock = v.Now == nil
	if v.MaxAge != nil {
		o.MaxMessageAge = time.Duration(*v.MaxAge) * time.Second
	}
	o.MaxPayload = 1 << 20
	if v.Limit != nil {
		o.MaxPayload = *v.Limit
	}
	for _, d := range v.Dictionaries {
		dictionary, err := coding.ParseDictionary(d)
		fatal(t, err)
		o.Dictionaries = append(o.Dictionaries, dictionary)
	}
	o.Store = store
	opener, err := envelope.NewOpener(keks, o)
	fatal(t, err)
	return opener
}

// readerOptions are the options of a vector's reader but for what only
// envelopes have.
func readerOptions(t testing.TB, r *vectors.Reader) envelope.OpenerOptions {
	t.Helper()
	o := envelope.OpenerOptions{Context: string(r.Context), KeyContext: string(r.KeyContext), ExtraHeaders: true}
	for _, name := range r.Bind {
		o.Bind.Named = true
		o.Bind.Names = append(o.Bind.Names, string(name))
	}
	o.Signers = vectorSigners(t, r)
	if r.Skew != nil {
		o.Skew = time.Duration(*r.Skew) * time.Second
		if *r.Skew == 0 {
			o.Skew = -1
		}
	}
	return o
}

func vectorSigners(t testing.TB, r *vectors.Reader) (all []keys.Verifier) {
	t.Helper()
	for _, file := range r.Signers {
		signer, err := local.ParseEd25519Public([]byte(file))
		fatal(t, err)
		all = append(all, signer)
	}
	return all
}

// kekOfFile are keys that have been parsed, since that takes long for RSA.
var kekOfFile = map[string]keys.Unwrapper{}

func vectorKEKs(t testing.TB, r *vectors.Reader) (keks []keys.Unwrapper) {
	t.Helper()
	for i := range r.Keys {
		file := string(r.Keys[i].File())
		if kekOfFile[file] == nil {
			kek, err := r.Keys[i].Unwrapper()
			fatal(t, err)
			kekOfFile[file] = kek
		}
		keks = append(keks, kekOfFile[file])
	}
	if len(keks) == 0 {
		keks = append(keks, newKEK(t))
	}
	return keks
}
