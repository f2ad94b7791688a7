//go:build afalg && linux

package kernelaead

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
)

// needed names the environment variable that makes it a failure if the kernel
// does not take part: the guest sets it.
const needed = "STREAMCRYPT_TEST_AFALG"

// newPair returns the engine of the kernel, and Go's.
func newPair(t *testing.T, key []byte) (*AEAD, cipher.AEAD) {
	t.Helper()
	kernel, err := New(key)
	if err != nil && os.Getenv(needed) == "" {
		t.Skipf("SKIPPED, NOTHING IS PROVED HERE: this kernel has no gcm(aes) for programs (%v); make afalg runs this test in a guest", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return kernel, ours
}

// fill returns n bytes that are the same in every run.
func fill(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestSameAsGo: both engines make the same bytes, and each opens the other's.
func TestSameAsGo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kernel, ours := newPair(t, fill(r, KeySize))
	sizes := []int{0, 1, 15, 16, 17, 4095, 4096, 4097, 16384, 65536, 65537, 100000, MaxMessage - 100}
	for _, size := range sizes {
		for _, associated := range []int{0, 1, 16, 100} {
			nonce, text, data := fill(r, nonceSize), fill(r, size), fill(r, associated)
			want := ours.Seal([]byte("head"), nonce, text, data)
			got := kernel.Seal([]byte("head"), nonce, text, data)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes with %d of data: another ciphertext", size, associated)
			}
			opened, err := kernel.Open(nil, nonce, want[4:], data)
			if err != nil || !bytes.Equal(opened, text) {
				t.Fatalf("%d bytes with %d of data: %v", size, associated, err)
			}
		}
	}
}

// TestRefusesChanges: no changed bit passes, and the engine works on behind a
// refusal.
func TestRefusesChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	kernel, _ := newPair(t, fill(r, KeySize))
	nonce, data := fill(r, nonceSize), fill(r, 20)
	sealed := kernel.Seal(nil, nonce, []byte("a message of some length"), data)
	for i := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[i/8] ^= 1 << (i % 8)
		if out, err := kernel.Open(nil, nonce, changed, data); err == nil || len(out) > 0 {
			t.Fatalf("bit %d passes", i)
		}
	}
	for _, other := range [][]byte{nil, data[1:], append([]byte{0}, data...)} {
		if _, err := kernel.Open(nil, nonce, sealed, other); err == nil {
			t.Fatal("other data passes")
		}
	}
	if _, err := kernel.Open(nil, nonce, sealed[:10], data); err == nil {
		t.Fatal("a short ciphertext passes")
	}
	if _, err := kernel.Open(nil, nonce, make([]byte, MaxMessage+100), nil); err == nil {
		t.Fatal("a long ciphertext passes")
	}
	if opened, err := kernel.Open(nil, nonce, sealed, data); err != nil || string(opened) != "a message of some length" {
		t.Fatal(err)
	}
}

func TestTogether(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	kernel, ours := newPair(t, fill(r, KeySize))
	var all sync.WaitGroup
	for worker := range 8 {
		r := rand.New(rand.NewPCG(7, uint64(worker)))
		all.Go(func() {
			for range 200 {
				nonce, text := fill(r, nonceSize), fill(r, r.IntN(3000))
				if !bytes.Equal(kernel.Seal(nil, nonce, text, nonce), ours.Seal(nil, nonce, text, nonce)) {
					t.Error("another ciphertext")
					return
				}
			}
		})
	}
	all.Wait()
	if err := TrySealing(); err != nil {
		t.Error(err)
	}
}

func TestRefusesKeys(t *testing.T) {
	if _, err := New(make([]byte, 16)); err == nil {
		t.Error("a key of 16 bytes passes")
	}
}
