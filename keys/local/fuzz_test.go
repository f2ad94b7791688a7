package local

import (
	"bytes"
	"os"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
)

// FuzzParse hands one file to every parser: at most one kind of key may come
// out, and what comes out works.
func FuzzParse(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if !file.IsDir() {
			f.Add(testdata(f, file.Name()))
		}
	}
	f.Add([]byte(`{"kty":"oct","alg":"A256KW","k":"` + k64 + `","kid":"d3307a75b1ff5a62"}`))
	f.Add([]byte(`{"kty":"oct","k":"` + k64 + `","k":"` + k64 + `","x":[{}]}`))

	f.Fuzz(func(t *testing.T, file []byte) {
		a, aErr := ParseAES(file)
		x, xErr := ParseX25519Public(file)
		r, rErr := ParseRSAPublic(file)
		_, xPrivateErr := ParseX25519(file)
		_, rPrivateErr := ParseRSA(file)
		e, eErr := ParseEd25519Public(file)
		signer, signerErr := ParseEd25519(file)
		_, publicErr := Public(file)

		var found []keys.Wrapper
		if aErr == nil {
			found = append(found, a)
		}
		if xErr == nil {
			found = append(found, x)
		}
		if rErr == nil {
			found = append(found, r)
		}
		if eErr == nil && len(found) > 0 || len(found) > 1 {
			t.Fatalf("%d kinds of key", len(found))
		}
		for _, k := range found {
			if _, err := k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize)); err != nil {
				t.Error(err)
			}
		}
		if signerErr == nil {
			if signature, err := signer.Sign(file); err != nil || e == nil || !e.Verify(file, signature) {
				t.Errorf("a signature that does not verify, %v", err)
			}
		}
		if xErr != nil && xPrivateErr == nil || rErr != nil && rPrivateErr == nil {
			t.Error("a private key without a public half")
		}
		if asymmetric := xErr == nil || rErr == nil || eErr == nil; asymmetric != (publicErr == nil) {
			t.Errorf("public half: %v", publicErr)
		}
	})
}

// FuzzUnwrap hands one wrapping to every KEK: it must come out as an error that
// says BadWrap, or as a DEK.
func FuzzUnwrap(f *testing.F) {
	all := keks(f)
	for _, k := range all {
		w := must[keys.Wrapped](f)(k.Wrap(f.Context(), noContext, make([]byte, keys.DEKSize)))
		f.Add(w.Ephemeral, w.Ciphertext)
	}
	f.Add([]byte(nil), []byte(nil))
	f.Add(make([]byte, 32), make([]byte, 40))

	f.Fuzz(func(t *testing.T, ephemeral, ciphertext []byte) {
		for name, k := range all {
			for _, alg := range []int64{keys.AlgA256KW, keys.AlgECDHESA256KW, keys.AlgRSAOAEP256, keys.AlgRSAOAEP512} {
				w := must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize)))
				w.Alg, w.Ephemeral, w.Ciphertext = alg, ephemeral, ciphertext
				dst, err := k.Unwrap(t.Context(), noContext, []byte("before"), &w)
				if err != nil {
					if !isClass(err, "unwrap", keys.BadWrap) || dst != nil {
						t.Errorf("%s: %x, %v", name, dst, err)
					}
				} else if !bytes.HasPrefix(dst, []byte("before")) || len(dst) != len("before")+keys.DEKSize {
					t.Errorf("%s: %x", name, dst)
				}
			}
		}
	})
}
