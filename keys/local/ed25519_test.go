package local

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestEd25519Wycheproof: other signatures than the ones that RFC 8032 makes are
// refused, among them those with an S that is not below the order of the group.
func TestEd25519Wycheproof(t *testing.T) {
	var file struct {
		TestGroups []struct {
			PublicKeyPem string
			Tests        []struct {
				TcID             int
				Comment          string
				Msg, Sig, Result string
				Flags            []string
			}
		}
	}
	readVectors(t, "ed25519_test.json", &file)
	valid, invalid := 0, 0
	for _, g := range file.TestGroups {
		k := must[*Ed25519Public](t)(ParseEd25519Public([]byte(g.PublicKeyPem)))
		for _, v := range g.Tests {
			want := v.Result == "valid"
			if want {
				valid++
			} else {
				invalid++
			}
			if got := k.Verify(unhex(t, v.Msg), unhex(t, v.Sig)); got != want {
				t.Errorf("%d (%s): %v", v.TcID, v.Comment, got)
			}
		}
	}
	if valid == 0 || invalid == 0 {
		t.Errorf("%d valid and %d invalid vectors", valid, invalid)
	}
}

func TestEd25519Signs(t *testing.T) {
	signer := must[*Ed25519](t)(ParseEd25519(must[[]byte](t)(GenerateEd25519())))
	message := []byte("a message")
	signature := must[[]byte](t)(signer.Sign(message))
	if !signer.Verify(message, signature) {
		t.Error("its own signature does not verify")
	}
	for i := range signature {
		signature[i] ^= 1
		if signer.Verify(message, signature) {
			t.Errorf("byte %d changed, and it verifies", i)
		}
		signature[i] ^= 1
	}
	for _, n := range []int{0, 63} {
		if signer.Verify(message, signature[:n]) {
			t.Errorf("%d bytes of a signature verify", n)
		}
	}
	if signer.Verify(message, append(signature, 0)) || signer.Verify([]byte("another"), signature) {
		t.Error("a longer signature, or that of another message, verifies")
	}
}

// TestEd25519IDs compares with OpenSSL: docs/envelope.md wants the first bytes
// of SHA-256 over the DER of the public half.
func TestEd25519IDs(t *testing.T) {
	signer := must[*Ed25519](t)(ParseEd25519(testdata(t, "ed25519.pem")))
	const want = "ed25519:8ac1bacfb8105261"
	if signer.Name() != want || fmt.Sprintf("ed25519:%x", signer.KID()) != want {
		t.Errorf("%s, %x", signer.Name(), signer.KID())
	}
	public := must[[]byte](t)(Public(testdata(t, "ed25519.pem")))
	half := must[*Ed25519Public](t)(ParseEd25519Public(public))
	if half.KID() != signer.KID() || half.Name() != signer.Name() {
		t.Errorf("the public half is %s", half.Name())
	}
	if again := must[[]byte](t)(Public(public)); !bytes.Equal(again, public) {
		t.Error("the public half of a public half")
	}
	if _, err := ParseEd25519(public); !errors.Is(err, ErrPublicOnly) {
		t.Error(err)
	}
}

// TestEd25519RefusesKeys: for a point of small order anybody can make
// signatures, and a key that is not canonical has a second id.
func TestEd25519RefusesKeys(t *testing.T) {
	for _, y := range smallOrders {
		for _, sign := range []byte{0, 0x80} {
			key := []byte(y)
			key[31] |= sign
			if _, err := NewEd25519Public(key); err == nil || !strings.Contains(err.Error(), "small order") {
				t.Errorf("%x: %v", key, err)
			}
		}
	}
	for _, y := range []string{
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 0
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // 1
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 3
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	} {
		if _, err := NewEd25519Public(unhex(t, y)); err == nil || !strings.Contains(err.Error(), "canonical") {
			t.Errorf("%s: %v", y, err)
		}
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := NewEd25519Public(make(ed25519.PublicKey, n)); err == nil {
			t.Errorf("%d bytes are a key", n)
		}
		if _, err := NewEd25519(make(ed25519.PrivateKey, n)); err == nil {
			t.Errorf("%d bytes are a private key", n)
		}
	}
	var kind *KindError
	for _, file := range []string{"x25519.pem", "rsa.pem", "p256.pem", "x25519-public.pem"} {
		if _, err := ParseEd25519(testdata(t, file)); !errors.As(err, &kind) {
			t.Errorf("%s: %v", file, err)
		}
		if _, err := ParseEd25519Public(testdata(t, file)); !errors.As(err, &kind) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := ParseEd25519([]byte(`{"kty":"oct","k":"` + k64 + `"}`)); !errors.As(err, &kind) {
		t.Error(err)
	}
}
