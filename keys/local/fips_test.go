package local

import (
	"bytes"
	"crypto/fips140"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
)

// TestFIPSOnly runs itself again in a process of its own, since the mode is
// chosen at its start.
func TestFIPSOnly(t *testing.T) {
	const child = "TEST_STREAMCRYPT_FIPS"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", child+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestFIPSOnly/")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if !fips140.Enforced() {
		t.Fatal("the mode is not in force")
	}
	dek := sequence(0, keys.DEKSize)

	t.Run("AES and RSA work", func(t *testing.T) {
		file := must[[]byte](t)(GenerateAES())
		for _, k := range []kek{
			must[*AES](t)(ParseAES(file)),
			must[*RSA](t)(ParseRSA(testdata(t, "rsa.pem"))),
		} {
			w, err := k.Wrap(t.Context(), noContext, dek)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.Unwrap(t.Context(), noContext, nil, &w); err != nil || !bytes.Equal(got, dek) {
				t.Errorf("%s: %x, %v", k.Name(), got, err)
			}
		}
	})

	t.Run("X25519 is refused", func(t *testing.T) {
		for name, err := range map[string]error{
			"generate":     second(GenerateX25519()),
			"parse":        second(ParseX25519(testdata(t, "x25519.pem"))),
			"parse public": second(ParseX25519Public(testdata(t, "x25519-public.pem"))),
		} {
			if !errors.Is(err, ErrFIPS) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := Public(testdata(t, "x25519.pem")); err == nil {
			t.Error("public half: no error")
		}
	})

	t.Run("an X25519 key made before enforcement", func(t *testing.T) {
		var k *X25519
		var w keys.Wrapped
		fips140.WithoutEnforcement(func() {
			k = must[*X25519](t)(ParseX25519(testdata(t, "x25519.pem")))
			w = must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, dek))
		})
		if _, err := k.Wrap(t.Context(), noContext, dek); !isClass(err, "wrap", keys.Gone) {
			t.Error(err)
		}
		if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.Gone) {
			t.Error(err)
		}
	})
}
