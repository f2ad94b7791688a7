package local

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
)

// cose-wg/Examples, ecdh-wrap-examples/p256-wrap-256-01: another curve, which
// matters to the secret only, under the same KDF context and key wrap.
func TestDeriveMatchesCOSEExample(t *testing.T) {
	block, err := deriveKW(unhex(t, "8bed545f07a7f39bd7179403c94e7d9862d0a5630217c289b8b4d953490d6d9e"))
	if err != nil {
		t.Fatal(err)
	}
	cek, err := appendUnwrap(nil, block, unhex(t, "e00e25b58aeadde5a475f1d69d2a2c199e5c1f231c5b164a"))
	if err != nil || !bytes.Equal(cek, unhex(t, "b2353161740aacf1f7163647984b522a")) {
		t.Errorf("%x, %v", cek, err)
	}
}

func TestX25519WrapIsTheVectors(t *testing.T) {
	k := must[*X25519Public](t)(ParseX25519Public(testdata(t, "x25519-public.pem")))
	ephemeral, err := ecdh.X25519().NewPrivateKey(sequence(0x60, 32))
	if err != nil {
		t.Fatal(err)
	}
	w, err := k.wrapUnder(ephemeral, sequence(0, keys.DEKSize))
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52f"); !bytes.Equal(w.Ephemeral, want) {
		t.Errorf("ephemeral key %x", w.Ephemeral)
	}
	if want := unhex(t, "9a146c9cde11db95307ba86edddc0eb7d2b79da0ccd599419de4cc338d68a741dceb5c5cd0b9f4a8"); !bytes.Equal(w.Ciphertext, want) {
		t.Errorf("ciphertext %x", w.Ciphertext)
	}
}

func TestPublicHalfOnlyWraps(t *testing.T) {
	for name, halves := range map[string]struct {
		public keys.Wrapper
		whole  kek
	}{
		"x25519": {
			must[*X25519Public](t)(ParseX25519Public(testdata(t, "x25519-public.pem"))),
			must[*X25519](t)(ParseX25519(testdata(t, "x25519.pem"))),
		},
		"rsa": {
			must[*RSAPublic](t)(ParseRSAPublic(testdata(t, "rsa-public.pem"))),
			must[*RSA](t)(ParseRSA(testdata(t, "rsa.pem"))),
		},
	} {
		if _, ok := halves.public.(keys.Unwrapper); ok {
			t.Errorf("%s: the public half unwraps", name)
		}
		if halves.public.Name() != halves.whole.Name() {
			t.Errorf("%s: named %s and %s", name, halves.public.Name(), halves.whole.Name())
		}
		dek := sequence(0, keys.DEKSize)
		w := must[keys.Wrapped](t)(halves.public.Wrap(t.Context(), noContext, dek))
		if got, err := halves.whole.Unwrap(t.Context(), noContext, nil, &w); err != nil || !bytes.Equal(got, dek) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

// Points of order 1, 2, 4 and 8 (RFC 7748 section 6.1,
// "cr.yp.to/ecdh.html#validate"), little-endian: the shared secret would be
// zero, which anybody knows.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// The same and one more point, written with the prime added or the top bit set.
var notCanonical = []string{
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 9, the base point
	"0900000000000000000000000000000000000000000000000000000000000080",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestX25519RefusesPoints(t *testing.T) {
	k := must[*X25519](t)(ParseX25519(testdata(t, "x25519.pem")))
	for _, point := range append(lowOrder, notCanonical...) {
		w := must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize)))
		w.Ephemeral = unhex(t, point)
		if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
			t.Errorf("%s as ephemeral key: %v", point, err)
		}
		key, err := ecdh.X25519().NewPublicKey(w.Ephemeral)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewX25519Public(key); err == nil {
			t.Errorf("%s is a KEK", point)
		}
	}
}

// A secret of zeros is refused before a key is derived from it, not by the key
// wrap: its author knows that key too and can wrap under it.
func TestX25519RefusesForgeryUnderZeroSecret(t *testing.T) {
	k := must[*X25519](t)(ParseX25519(testdata(t, "x25519.pem")))
	block, err := deriveKW(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range lowOrder {
		w := k.newWrapped(keys.AlgECDHESA256KW)
		w.Ephemeral = unhex(t, point)
		w.Ciphertext = must[[]byte](t)(appendWrap(nil, block, make([]byte, keys.DEKSize)))
		if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
			t.Errorf("%s: %v", point, err)
		}
	}
}

// The top bit is the one change to an ephemeral key that X25519 itself does not
// notice.
func TestX25519RefusesTopBit(t *testing.T) {
	k := must[*X25519](t)(ParseX25519(testdata(t, "x25519.pem")))
	w := must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize)))
	w.Ephemeral[31] |= 0x80
	if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
		t.Error(err)
	}
}

func TestNewX25519RefusesOtherCurves(t *testing.T) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var kind *KindError
	if _, err := NewX25519(key); !errors.As(err, &kind) {
		t.Error(err)
	}
}
