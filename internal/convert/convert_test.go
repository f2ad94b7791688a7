package convert_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	jwxjwe "github.com/lestrrat-go/jwx/v3/jwe"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/codec/jwe"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/convert"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// recipient is a key of a kind, ours and as another library has it.
type recipient struct {
	alg     jwa.KeyEncryptionAlgorithm
	wrap    keys.Wrapper
	unwrap  keys.Unwrapper
	public  any
	private any
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// oneRSA returns an RSA key, always the same one: to make one takes long.
var oneRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// recipients returns one key of each kind. All but the RSA key are new ones.
func recipients(t testing.TB) map[string]recipient {
	kek := make([]byte, local.AESKeySize)
	rand.Read(kek)
	aes := must[*local.AES](t)(local.NewAES(kek))
	private := must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	x := must[*local.X25519](t)(local.NewX25519(private))
	rsaKey := must[*rsa.PrivateKey](t)(oneRSA())
	r := must[*local.RSA](t)(local.NewRSA(rsaKey))
	return map[string]recipient{
		"aes":    {jwa.A256KW(), aes, aes, kek, kek},
		"x25519": {jwa.ECDH_ES_A256KW(), must[*local.X25519Public](t)(local.NewX25519Public(private.PublicKey())), x, private.PublicKey(), private},
		"rsa":    {jwa.RSA_OAEP_256(), &r.RSAPublic, r, &rsaKey.PublicKey, rsaKey},
	}
}

func newSealer(t testing.TB, wrappers ...keys.Wrapper) *convert.Sealer {
	s := must[*convert.Sealer](t)(convert.NewSealer(wrappers, convert.SealerOptions{Format: jwe.Format}))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newOpener(t testing.TB, unwrappers ...keys.Unwrapper) *convert.Opener {
	return must[*convert.Opener](t)(convert.NewOpener(unwrappers, convert.OpenerOptions{Formats: []exchange.Format{jwe.Format}}))
}

// TestAnotherLibraryOpens: jwx opens each message that is made here, for each
// kind of key alone and for all of them together.
func TestAnotherLibraryOpens(t *testing.T) {
	all := recipients(t)
	payload := []byte("a payload")
	for name, r := range all {
		w := newSealer(t, r.wrap).NewWorker()
		for range 2 {
			sealed := must[[]byte](t)(w.Seal(t.Context(), nil, payload))
			if bytes.Count(sealed, []byte(".")) != 4 || len(sealed) > w.MaxSize(len(payload)) {
				t.Errorf("%s: not compact, or larger than said: %s", name, sealed)
			}
			got, err := jwxjwe.Decrypt(sealed, jwxjwe.WithKey(r.alg, r.private))
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			message := must[*jwxjwe.Message](t)(jwxjwe.Parse(sealed))
			if kid, _ := message.ProtectedHeaders().KeyID(); !strings.HasSuffix(r.wrap.Name(), ":"+kid) {
				t.Errorf("%s: kid %q", name, kid)
			}
		}
	}
	sealed := must[[]byte](t)(newSealer(t, all["aes"].wrap, all["x25519"].wrap, all["rsa"].wrap).NewWorker().
		Seal(t.Context(), nil, payload))
	for name, r := range all {
		got, err := jwxjwe.Decrypt(sealed, jwxjwe.WithKey(r.alg, r.private))
		if err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%s of several: %q, %v", name, got, err)
		}
	}
}

// TestOpensAnotherLibrary: messages of jwx open, compact, general and
// flattened, with other kids and without.
func TestOpensAnotherLibrary(t *testing.T) {
	all := recipients(t)
	payload := []byte("a payload")
	for name, r := range all {
		w := newOpener(t, r.unwrap).NewWorker()
		for form, o := range map[string]jwxjwe.EncryptOption{
			"compact": jwxjwe.WithCompact(), "flattened": jwxjwe.WithJSON(),
		} {
			sealed, err := jwxjwe.Encrypt(payload, o, jwxjwe.WithKey(r.alg, r.public),
				jwxjwe.WithContentEncryption(jwa.A256GCM()))
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.Open(t.Context(), "place", nil, sealed)
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%s, %s: %q, %v\n%s", name, form, got, err, sealed)
			}
		}
		for _, o := range all {
			general := must[[]byte](t)(jwxjwe.Encrypt(payload, jwxjwe.WithJSON(), jwxjwe.WithKey(o.alg, o.public),
				jwxjwe.WithKey(r.alg, r.public), jwxjwe.WithContentEncryption(jwa.A256GCM())))
			got, err := w.Open(t.Context(), "place", nil, general)
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%s of two: %q, %v\n%s", name, got, err, general)
			}
		}
	}
}

// TestRoundTrip: payloads of all sizes come back, with the memory of the
// message before and for several recipients.
func TestRoundTrip(t *testing.T) {
	all := recipients(t)
	for name, wrappers := range map[string][]keys.Wrapper{
		"one": {all["aes"].wrap}, "three": {all["rsa"].wrap, all["x25519"].wrap, all["aes"].wrap},
	} {
		seal, open := newSealer(t, wrappers...).NewWorker(), newOpener(t, all["aes"].unwrap).NewWorker()
		for _, n := range []int{0, 1, 2, 3, 1023, 1024, 1 << 20, 5} {
			payload := make([]byte, n)
			rand.Read(payload)
			sealed := must[[]byte](t)(seal.Seal(t.Context(), []byte("before"), payload))
			if !bytes.HasPrefix(sealed, []byte("before")) || len(sealed)-6 > seal.MaxSize(n) {
				t.Fatalf("%s, %d bytes: %d sealed", name, n, len(sealed))
			}
			got, err := open.Open(t.Context(), "place", []byte("before"), sealed[6:])
			if err != nil || string(got[:6]) != "before" || !bytes.Equal(got[6:], payload) {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
}

// TestNoncesDiffer: no two messages under one content key have one nonce, of
// several workers at the same time.
func TestNoncesDiffer(t *testing.T) {
	all := recipients(t)
	sealer := newSealer(t, all["aes"].wrap)
	seen := map[string]bool{}
	workers := []*convert.SealWorker{sealer.NewWorker(), sealer.NewWorker(), sealer.NewWorker()}
	for i := range 3000 {
		sealed := must[[]byte](t)(workers[i%3].Seal(t.Context(), nil, []byte("x")))
		parts := strings.Split(string(sealed), ".")
		if at := parts[1] + parts[2]; seen[at] {
			t.Fatalf("message %d: a nonce comes again", i)
		} else {
			seen[at] = true
		}
	}
}

// TestEveryBitCounts: a message of which any byte was changed does not open, or
// opens to the same payload where the byte is no part of it (the spelling of
// JSON). Nothing is left in the buffer.
func TestEveryBitCounts(t *testing.T) {
	all := recipients(t)
	for name, wrappers := range map[string][]keys.Wrapper{
		"compact": {all["aes"].wrap}, "general": {all["aes"].wrap, all["rsa"].wrap},
	} {
		payload := []byte("SECRET payload")
		sealed := must[[]byte](t)(newSealer(t, wrappers...).NewWorker().Seal(t.Context(), nil, payload))
		open := newOpener(t, all["aes"].unwrap).NewWorker()
		if _, err := open.Open(t.Context(), "place", nil, sealed); err != nil {
			t.Fatal(err)
		}
		for i := range sealed {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			dst := make([]byte, 0, 256)
			got, err := open.Open(t.Context(), "place", dst, changed)
			refused, typed := errors.AsType[*envelope.Error](err)
			switch {
			case err == nil && (name == "compact" || !bytes.Equal(got, payload)):
				t.Errorf("%s: opens with byte %d changed: %s", name, i, changed)
			case err != nil && (!typed || refused.Reason == ""):
				t.Errorf("%s: byte %d: %v", name, i, err)
			case err != nil && bytes.Contains(dst[:cap(dst)], []byte("SECRET")):
				t.Errorf("%s: byte %d: plaintext is left", name, i)
			}
		}
	}
}

// TestRefusals: each has its word.
func TestRefusals(t *testing.T) {
	all, others := recipients(t), recipients(t)
	aes := all["aes"]
	sealed := must[[]byte](t)(newSealer(t, aes.wrap).NewWorker().Seal(t.Context(), nil, []byte("payload")))
	tampered := bytes.Clone(sealed)
	at := bytes.LastIndexByte(tampered, '.') + 1
	tampered[at] = "AB"[min(1, int(tampered[at]^'B'))^1]
	if bytes.Equal(tampered, sealed) {
		t.Fatal("nothing is changed")
	}
	dir := must[[]byte](t)(jwxjwe.Encrypt([]byte("payload"), jwxjwe.WithKey(jwa.DIRECT(), make([]byte, 32)),
		jwxjwe.WithContentEncryption(jwa.A256GCM())))
	for name, c := range map[string]struct {
		in   []byte
		keys keys.Unwrapper
		want envelope.Reason
	}{
		"another key":       {sealed, others["aes"].unwrap, envelope.ReasonUnknownKey},
		"another kind":      {sealed, others["rsa"].unwrap, envelope.ReasonUnknownKey},
		"tampered":          {tampered, aes.unwrap, envelope.ReasonTampered},
		"dir":               {dir, aes.unwrap, envelope.ReasonUnsupported},
		"plaintext":         {[]byte(`{"a":1}`), aes.unwrap, envelope.ReasonNotEnvelope},
		"nothing":           {nil, aes.unwrap, envelope.ReasonNotEnvelope},
		"four of its parts": {sealed[:at-1], aes.unwrap, envelope.ReasonMalformed},
	} {
		got, err := newOpener(t, c.keys).NewWorker().Open(t.Context(), "place", []byte("x"), c.in)
		refused, ok := errors.AsType[*envelope.Error](err)
		if !ok || refused.Reason != c.want || string(got) != "x" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// noKid removes the names of all recipients of a general form.
func noKid(t *testing.T, sealed []byte) []byte {
	var m map[string]any
	if err := json.Unmarshal(sealed, &m); err != nil {
		t.Fatal(err)
	}
	for _, r := range m["recipients"].([]any) {
		delete(r.(map[string]any)["header"].(map[string]any), "kid")
	}
	return must[[]byte](t)(json.Marshal(m))
}

// TestUnnamedRecipients: recipients without a name are tried, the first four.
func TestUnnamedRecipients(t *testing.T) {
	mine := recipients(t)["aes"]
	for place, want := range map[int]bool{0: true, 3: true, 4: false} {
		wrappers := make([]keys.Wrapper, 0, 6)
		for range place {
			wrappers = append(wrappers, recipients(t)["aes"].wrap)
		}
		wrappers = append(wrappers, mine.wrap, recipients(t)["aes"].wrap)
		sealed := must[[]byte](t)(newSealer(t, wrappers...).NewWorker().Seal(t.Context(), nil, []byte("payload")))
		open := newOpener(t, mine.unwrap).NewWorker()
		if _, err := open.Open(t.Context(), "", nil, sealed); err != nil {
			t.Errorf("named, at %d: %v", place, err)
		}
		_, err := newOpener(t, mine.unwrap).NewWorker().Open(t.Context(), "", nil, noKid(t, sealed))
		if (err == nil) != want {
			t.Errorf("unnamed, at %d: %v", place, err)
		}
	}
}

// TestReload: keys that were removed open nothing any more.
func TestReload(t *testing.T) {
	one, two := recipients(t)["aes"], recipients(t)["aes"]
	sealer, opener := newSealer(t, one.wrap), newOpener(t, one.unwrap)
	seal, open := sealer.NewWorker(), opener.NewWorker()
	first := must[[]byte](t)(seal.Seal(t.Context(), nil, []byte("payload")))
	must[[]byte](t)(open.Open(t.Context(), "", nil, first))
	if err := sealer.Reload(t.Context(), []keys.Wrapper{two.wrap}); err != nil {
		t.Fatal(err)
	}
	if err := opener.Reload([]keys.Unwrapper{two.unwrap}); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Open(t.Context(), "", nil, first); err == nil {
		t.Error("the old key still opens")
	}
	second := must[[]byte](t)(seal.Seal(t.Context(), nil, []byte("payload")))
	must[[]byte](t)(open.Open(t.Context(), "", nil, second))
}

// service is a key that is not local.
type service struct{}

func (service) Name() string { return "awskms:key" }

func (service) Fits(*keys.Wrapped) bool { return true }

func (service) Wrap(context.Context, keys.Context, []byte) (w keys.Wrapped, err error) { return w, nil }

func (service) Unwrap(context.Context, keys.Context, []byte, *keys.Wrapped) ([]byte, error) {
	return make([]byte, keys.DEKSize), nil
}

// TestKeyServices: a key of a service is no recipient, and opens nothing.
func TestKeyServices(t *testing.T) {
	aes := recipients(t)["aes"]
	_, err := convert.NewSealer([]keys.Wrapper{aes.wrap, service{}}, convert.SealerOptions{Format: jwe.Format})
	if !errors.Is(err, convert.ErrNotLocal) || !strings.Contains(err.Error(), "awskms:key") {
		t.Error(err)
	}
	o := convert.OpenerOptions{Formats: []exchange.Format{jwe.Format}}
	if _, err := convert.NewOpener([]keys.Unwrapper{service{}}, o); !errors.Is(err, convert.ErrNoLocal) {
		t.Error(err)
	}
	if _, err := convert.NewOpener([]keys.Unwrapper{service{}, aes.unwrap}, o); err != nil {
		t.Error(err)
	}
}

// TestTooLarge: a payload is sealed as a whole, so its size is bounded.
func TestTooLarge(t *testing.T) {
	_, err := newSealer(t, recipients(t)["aes"].wrap).NewWorker().Seal(t.Context(), nil, make([]byte, convert.MaxPayload+1))
	if refused, ok := errors.AsType[*envelope.Error](err); !ok || refused.Reason != envelope.ReasonTooLarge {
		t.Error(err)
	}
}
