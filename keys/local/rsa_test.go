package local

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
)

// modulus returns an odd number of that many bits: nobody can unwrap under it,
// which no test here does.
func modulus(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.SetBit(n, 0, 1)
}

func TestRSASizes(t *testing.T) {
	for _, c := range []struct {
		bits int
		ok   bool
	}{
		{1024, false}, {2047, false}, {2048, true}, {3072, true}, {4096, true}, {4097, false}, {8192, false},
	} {
		k, err := NewRSAPublic(&rsa.PublicKey{N: modulus(c.bits), E: 65537})
		if (err == nil) != c.ok {
			t.Errorf("%d bits: %v", c.bits, err)
		}
		if err == nil {
			w, err := k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize))
			if err != nil || w.Alg != keys.AlgRSAOAEP256 || len(w.Ciphertext) != c.bits/8 {
				t.Errorf("%d bits: alg %d, %d bytes, %v", c.bits, w.Alg, len(w.Ciphertext), err)
			}
		}
	}
	for _, bits := range []int{-1, 0, 1024, 2047, 4097} {
		if _, err := GenerateRSA(bits); err == nil {
			t.Errorf("generated a key of %d bits", bits)
		}
	}
}

func TestRSAWithSHA512(t *testing.T) {
	k := must[*RSA](t)(ParseRSA(testdata(t, "rsa.pem")))
	dek := bytes.Repeat([]byte{7}, keys.DEKSize)
	w, err := k.RSAPublic.WithSHA512().Wrap(t.Context(), noContext, dek)
	if err != nil || w.Alg != keys.AlgRSAOAEP512 {
		t.Fatalf("alg %d, %v", w.Alg, err)
	}
	plain, err := rsa.DecryptOAEP(sha512.New(), nil, k.private, w.Ciphertext, nil)
	if err != nil || !bytes.Equal(plain, dek) {
		t.Errorf("crypto/rsa: %x, %v", plain, err)
	}
	if got, err := k.Unwrap(t.Context(), noContext, nil, &w); err != nil || !bytes.Equal(got, dek) {
		t.Errorf("unwrapped %x, %v", got, err)
	}
	if again, err := k.Wrap(t.Context(), noContext, dek); err != nil || again.Alg != keys.AlgRSAOAEP256 {
		t.Errorf("the key itself was changed: alg %d, %v", again.Alg, err)
	}
}

func TestRSARefusesBadKeys(t *testing.T) {
	for name, key := range map[string]*rsa.PublicKey{
		"exponent 0":    {N: modulus(2048), E: 0},
		"exponent 1":    {N: modulus(2048), E: 1},
		"exponent even": {N: modulus(2048), E: 65536},
		"modulus even":  {N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537},
	} {
		if _, err := NewRSAPublic(key); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	good := must[*RSA](t)(ParseRSA(testdata(t, "rsa.pem"))).private
	if _, err := NewRSA(&rsa.PrivateKey{PublicKey: good.PublicKey, D: big.NewInt(3), Primes: good.Primes}); err == nil {
		t.Error("a private exponent of another key is taken")
	}
}

func TestRSARefusesWhatIsNoDEK(t *testing.T) {
	k := must[*RSA](t)(ParseRSA(testdata(t, "rsa.pem")))
	for _, c := range []struct {
		name  string
		n     int
		label string
	}{
		{"no bytes", 0, ""}, {"31 bytes", 31, ""}, {"33 bytes", 33, ""}, {"a label", 32, "x"},
	} {
		w := k.newWrapped(keys.AlgRSAOAEP256)
		var err error
		w.Ciphertext, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, k.key, make([]byte, c.n), []byte(c.label))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
			t.Errorf("%s: %v", c.name, err)
		}
		// The same bytes under the name of the other hash are another message.
		w.Alg = keys.AlgRSAOAEP512
		if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
			t.Errorf("%s as -42: %v", c.name, err)
		}
	}
}

// A ciphertext that begins with a zero is the same number without it, which
// crypto/rsa opens.
func TestRSARefusesShortSpelling(t *testing.T) {
	k := must[*RSA](t)(ParseRSA(testdata(t, "rsa.pem")))
	w := must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize)))
	for w.Ciphertext[0] != 0 {
		w = must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize)))
	}
	if _, err := k.Unwrap(t.Context(), noContext, nil, &w); err != nil {
		t.Fatal(err)
	}
	w.Ciphertext = w.Ciphertext[1:]
	if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
		t.Error(err)
	}
}
