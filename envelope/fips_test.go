package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

// TestFIPSOnly runs itself again under GODEBUG=fips140=only, which allows no
// nonces but the cipher's own.
func TestFIPSOnly(t *testing.T) {
	if os.Getenv("TEST_STREAMCRYPT_FIPS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "TEST_STREAMCRYPT_FIPS=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFIPSOnly/chunked") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	r := newRig(t, rigOptions{})
	_, err := r.sealer(t, 0).Seal(t.Context(), nil, payload(10), envelope.Binding{})
	if !errors.Is(err, chunker.ErrCounterNonces) {
		t.Fatalf("counter nonces: %v", err)
	}
	for name, n := range map[string]int{"single": 100, "empty": 0, "chunked": 10_000} {
		t.Run(name, func(t *testing.T) { roundTripRandom(t, n) })
	}
}

// TestRandomNonces is the same outside that mode.
func TestRandomNonces(t *testing.T) {
	for _, n := range []int{0, 100, 4096, 10_000} {
		roundTripRandom(t, n)
	}
}

func roundTripRandom(t *testing.T, n int) {
	t.Helper()
	for _, store := range []kekcache.Store{nil, new(keystoretest.Memory)} {
		r := newRig(t, rigOptions{random: true, store: store})
		s := r.sealer(t, 4096)
		b := envelope.Binding{Key: []byte("k")}
		e, err := s.Seal(t.Context(), nil, payload(n), b)
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.opener(t).Open(t.Context(), nil, e, b)
		if err != nil || !bytes.Equal(out, payload(n)) {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		e[20] ^= 1 // in the protected header, so that not even a first chunk opens
		refused(t, r.opener(t), e, b)
		var file bytes.Buffer
		w := s.NewWriter(t.Context(), &file, b)
		if _, err := w.Write(payload(n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		out, err = io.ReadAll(r.opener(t).NewReader(t.Context(), &file, b))
		if err != nil || !bytes.Equal(out, payload(n)) {
			t.Fatalf("stream: %d bytes, %v", len(out), err)
		}
	}
}
