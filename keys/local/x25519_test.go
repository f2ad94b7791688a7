package local

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
)

// cose-wg/Examples, ecdh-wrap-examples/p256-wrap-256-01: another curve, which
// matters to the secret only, under our KDF context without the public keys,
// and the same key wrap.
func TestDeriveMatchesCOSEExample(t *testing.T) {
	const info = "\x84\x24\x83\xf6\xf6\xf6\x83\xf6\xf6\xf6\x82\x19\x01\x00\x44\xa1\x01\x38\x1e" // nothing in SuppPubInfo.other
	block, err := deriveKW(unhex(t, "8bed545f07a7f39bd7179403c94e7d9862d0a5630217c289b8b4d953490d6d9e"), info)
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
	if want := unhex(t, "b9d06052ef61c275a000272c867857803692d420ace9647577cce45be1440925028d1af39e1569cf"); !bytes.Equal(w.Ciphertext, want) {
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
	for _, point := range lowOrder {
		block := must[cipher.Block](t)(deriveKW(make([]byte, 32), kdfInfo+string(unhex(t, point))+string(k.key.Bytes())))
		w := k.newWrapped(keys.AlgECDHESA256KW)
		w.Ephemeral = unhex(t, point)
		w.Ciphertext = must[[]byte](t)(appendWrap(nil, block, make([]byte, keys.DEKSize)))
		if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
			t.Errorf("%s: %v", point, err)
		}
	}
}

// torsion returns the u-coordinates of P + kT for k from 1 to 7, where P has
// the given one and T is of order 8. X25519 multiplies by 8, so with each of
// them in the place of P it gives the same secret.
func torsion(t *testing.T, u []byte) (points [][]byte) {
	t.Helper()
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	a := big.NewInt(486662)
	mod := func(x *big.Int) *big.Int { return x.Mod(x, p) }
	mul := func(x, y *big.Int) *big.Int { return mod(new(big.Int).Mul(x, y)) }
	add := func(x, y *big.Int) *big.Int { return mod(new(big.Int).Add(x, y)) }
	sub := func(x, y *big.Int) *big.Int { return mod(new(big.Int).Sub(x, y)) }
	lift := func(u *big.Int) *big.Int { // v^2 = u^3 + a u^2 + u
		v := new(big.Int).ModSqrt(add(add(mul(mul(u, u), u), mul(a, mul(u, u))), u), p)
		if v == nil {
			t.Fatal("not on the curve")
		}
		return v
	}
	big8, _ := new(big.Int).SetString("39382357235489614581723060781553021112529911719440698176882885853963445705823", 10)
	tu, tv := big8, lift(big8)
	le := bytes.Clone(u)
	slices.Reverse(le)
	pu := new(big.Int).SetBytes(le)
	qu, qv := pu, lift(pu)
	for range 7 {
		slope := mul(sub(tv, qv), new(big.Int).ModInverse(sub(tu, qu), p))
		nu := sub(sub(sub(mul(slope, slope), a), qu), tu)
		qv = sub(mul(slope, sub(qu, nu)), qv)
		qu = nu
		out := qu.FillBytes(make([]byte, 32))
		slices.Reverse(out)
		points = append(points, out)
	}
	return points
}

// TestX25519RefusesTorsion: of the ephemeral keys that give the same secret
// only the one of the sender opens.
func TestX25519RefusesTorsion(t *testing.T) {
	k := must[*X25519](t)(ParseX25519(testdata(t, "x25519.pem")))
	w := must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize)))
	ours := must[*ecdh.PublicKey](t)(ecdh.X25519().NewPublicKey(w.Ephemeral))
	want := must[[]byte](t)(k.private.ECDH(ours))
	changed := w
	for i, point := range torsion(t, w.Ephemeral) {
		theirs := must[*ecdh.PublicKey](t)(ecdh.X25519().NewPublicKey(point))
		if got := must[[]byte](t)(k.private.ECDH(theirs)); !bytes.Equal(got, want) || bytes.Equal(point, w.Ephemeral) {
			t.Fatalf("point %d is not one of those that this is about", i)
		}
		changed.Ephemeral = point
		if _, err := k.Unwrap(t.Context(), noContext, nil, &changed); !isClass(err, "unwrap", keys.BadWrap) {
			t.Errorf("point %d: %v", i, err)
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
