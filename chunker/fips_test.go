package chunker_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/chunker"
)

// TestFIPSOnly runs itself again in the mode in which the cipher chooses every
// nonce.
func TestFIPSOnly(t *testing.T) {
	const inside = "TEST_STREAMCRYPT_FIPS_ONLY"
	if os.Getenv(inside) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", inside+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFIPSOnly/flipped") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	t.Run("counter", func(t *testing.T) {
		_, err := new(chunker.DEK).NewSealingKey(chunker.Counter)
		if !errors.Is(err, chunker.ErrCounterNonces) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("random", func(t *testing.T) {
		for _, size := range []int{0, 1, 40, 5000} {
			s := newSealed(t, chunker.Random, size)
			out, err := s.key.Open([]byte("before"), s.iv, s.ciphertext, s.aad)
			if err != nil || !bytes.Equal(out, append([]byte("before"), s.plain...)) {
				t.Errorf("%d bytes: %x, %v", size, out, err)
			}
			out, err = s.key.Open(s.ciphertext[:0], s.iv, s.ciphertext, s.aad)
			if err != nil || !bytes.Equal(out, s.plain) {
				t.Errorf("%d bytes in place: %x, %v", size, out, err)
			}
		}
	})
	t.Run("counter nonces open", func(t *testing.T) {
		key, err := chunker.NewOpeningKey(&elsewhereKey)
		if err != nil {
			t.Fatal(err)
		}
		sealed := unhex(t, elsewhere)
		out, err := key.Open(nil, sealed[:chunker.IVSize], sealed[chunker.IVSize:], []byte("aad"))
		if err != nil || string(out) != "plain" {
			t.Errorf("%q, %v", out, err)
		}
	})
	t.Run("flipped", func(t *testing.T) {
		s := newSealed(t, chunker.Random, 40)
		for _, field := range [][]byte{s.iv, s.ciphertext, s.aad} {
			for bit := range 8 * len(field) {
				field[bit/8] ^= 1 << (bit % 8)
				refused(t, s, "joined")
				field[bit/8] ^= 1 << (bit % 8)
			}
		}
		s.iv = s.iv[:chunker.IVSize-1]
		refused(t, s, "short iv")
	})
}

// elsewhere is "plain" with the associated data "aad", sealed under
// elsewhereKey by Python's cryptography with the IV lease 0, counter 1.
var elsewhereKey = [chunker.KeySize]byte{1, 2, 3}

const elsewhere = "000000000000000000000001842384d4966e8d19cbab1f7d46152505f1c0df2570"
