package chunker_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/chunker"
)

var bothKinds = map[string]chunker.Nonces{"counter": chunker.Counter, "random": chunker.Random}

// The wanted values are Python's: hmac.new(key, b"streamcrypt/1
// commitment\x01", sha256), which is one round of HKDF-Expand.
func TestCommitment(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{
			"0000000000000000000000000000000000000000000000000000000000000000",
			"753ac2e0c9f969a67764e1fc3fb7c590edc48e87b4a810a3698dc6d5e0ffc24d",
		},
		{
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"4362b0b57443d12b9f6938ca84eb553cef25196576f6fab2effaad93d243ac18",
		},
		{
			"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
			"897fcaaecc94516a1a275f156f713040c6d02c2865e45e887c72c5aa8ef99d17",
		},
	} {
		key := [chunker.KeySize]byte(unhex(t, c.key))
		got := chunker.Commitment(&key)
		if !bytes.Equal(got[:], unhex(t, c.want)) {
			t.Errorf("%s: got %x", c.key, got)
		}
		for name, nonces := range bothKinds {
			k := sealingKey(t, &key, nonces)
			if k.Commitment() != got {
				t.Errorf("%s, %s: the key says %x", c.key, name, k.Commitment())
			}
		}
	}
}

// TestSealLayout takes apart what Seal wrote and opens it with the standard
// library alone.
func TestSealLayout(t *testing.T) {
	for name, nonces := range bothKinds {
		for _, head := range [][]byte{nil, {0x58}, []byte("a head that is longer than an IV")} {
			for _, size := range []int{0, 1, 15, 16, 17, 1000} {
				key, s := newSealer(t, nonces)
				before, plain, aad := []byte("before"), random(t, size), random(t, 20)
				out := seal(t, s, bytes.Clone(before), head, plain, aad)

				rest, ok := bytes.CutPrefix(out, before)
				if !ok || len(rest) != len(head)+size+chunker.Overhead {
					t.Fatalf("%s, %d bytes, head of %d: wrote %x", name, size, len(head), out)
				}
				iv, rest := rest[:chunker.IVSize], rest[chunker.IVSize:]
				rest, ok = bytes.CutPrefix(rest, head)
				if !ok {
					t.Fatalf("%s, %d bytes: no head in %x", name, size, out)
				}
				got, err := reference(t, key).Open(nil, iv, rest, aad)
				if err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%s, %d bytes, head of %d: opened %x, %v", name, size, len(head), got, err)
				}
			}
		}
	}
}

// TestCounterIV: leases count up from a random one, and the counter of each
// counts up from a random value.
func TestCounterIV(t *testing.T) {
	_, k := newKey(t, chunker.Counter)
	var firstLease uint32
	for n := range uint32(3) {
		s, err := k.NewSealer()
		if err != nil {
			t.Fatal(err)
		}
		var firstCounter uint64
		for i := range uint64(300) { // the last byte carries
			iv := seal(t, s, nil, nil, nil, nil)[:chunker.IVSize]
			lease, counter := binary.BigEndian.Uint32(iv), binary.BigEndian.Uint64(iv[4:])
			if n == 0 && i == 0 {
				firstLease = lease
			}
			if i == 0 {
				firstCounter = counter
			}
			if lease != firstLease+n || counter != firstCounter+i {
				t.Fatalf("IV %x: lease %d, counter %d; want %d, %d", iv, lease, counter, firstLease+n, firstCounter+i)
			}
		}
	}
}

// TestFirstIVs: neither the first lease nor the first counters are the same for
// two keys, or for two leases of one key.
func TestFirstIVs(t *testing.T) {
	leases, counters := map[uint32]bool{}, map[uint64]bool{}
	const keys, each = 50, 4
	for range keys {
		_, k := newKey(t, chunker.Counter)
		for n := range each {
			s, err := k.NewSealer()
			if err != nil {
				t.Fatal(err)
			}
			iv := seal(t, s, nil, nil, nil, nil)
			if n == 0 {
				leases[binary.BigEndian.Uint32(iv)] = true
			}
			counters[binary.BigEndian.Uint64(iv[4:])] = true
		}
	}
	// By chance two of the leases are equal once in 3,500,000 runs, which still
	// leaves 49.
	if len(leases) < keys-1 || len(counters) < keys*each {
		t.Errorf("%d first leases and %d first counters", len(leases), len(counters))
	}
}

func TestRandomIVs(t *testing.T) {
	_, s := newSealer(t, chunker.Random)
	var all [chunker.IVSize]byte
	for range 64 {
		for i, b := range seal(t, s, nil, nil, nil, nil)[:chunker.IVSize] {
			all[i] |= b
		}
	}
	for i, b := range all { // 64 random bytes leave a bit unset once in 2^61 runs
		if b != 0xff {
			t.Errorf("byte %d of the IVs has only the bits %08b", i, b)
		}
	}
}

// TestSealDoesNotAllocate: a message costs no memory.
func TestSealDoesNotAllocate(t *testing.T) {
	for name, nonces := range bothKinds {
		_, s := newSealer(t, nonces)
		dst, head, plain, aad := make([]byte, 0, 2000), make([]byte, 3), make([]byte, 1000), make([]byte, 50)
		allocs := testing.AllocsPerRun(100, func() { dst, _ = s.Seal(dst[:0], head, plain, aad) })
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func TestNewSealingKeyRefusesUnknownNonces(t *testing.T) {
	for _, n := range []chunker.Nonces{-1, 2} {
		if _, err := new(chunker.DEK).NewSealingKey(n); err == nil {
			t.Errorf("%d was taken", n)
		}
	}
}

// TestDEKMakesOneSealingKey: also when the first one was refused, since nobody
// can tell what became of it.
func TestDEKMakesOneSealingKey(t *testing.T) {
	for _, first := range []chunker.Nonces{chunker.Counter, chunker.Random, -1} {
		var dek chunker.DEK
		_, _ = dek.NewSealingKey(first)
		for name, nonces := range bothKinds {
			if k, err := dek.NewSealingKey(nonces); !errors.Is(err, chunker.ErrSpent) || k != nil {
				t.Errorf("after %d, %s: %v, %v", first, name, k, err)
			}
		}
	}
	var dek chunker.DEK
	copy(dek.Bytes(), random(t, chunker.KeySize))
	dek.Clear()
	if !bytes.Equal(dek.Bytes(), make([]byte, chunker.KeySize)) {
		t.Error("a DEK that was cleared is still there")
	}
}

// TestCopiedSealerPanics: a copy would use the nonces of the original.
func TestCopiedSealerPanics(t *testing.T) {
	for name, nonces := range bothKinds {
		_, s := newSealer(t, nonces)
		seal(t, s, nil, nil, nil, nil)
		copied := *s
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: a copy has sealed", name)
				}
			}()
			_, _ = copied.Seal(nil, nil, nil, nil)
		}()
		seal(t, s, nil, nil, nil, nil) // the original goes on
	}
}

func newKey(t testing.TB, nonces chunker.Nonces) (*[chunker.KeySize]byte, *chunker.SealingKey) {
	t.Helper()
	key := [chunker.KeySize]byte(random(t, chunker.KeySize))
	return &key, sealingKey(t, &key, nonces)
}

// sealingKey returns the sealing key of these bytes.
func sealingKey(t testing.TB, key *[chunker.KeySize]byte, nonces chunker.Nonces) *chunker.SealingKey {
	t.Helper()
	var dek chunker.DEK
	copy(dek.Bytes(), key[:])
	k, err := dek.NewSealingKey(nonces)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newSealer(t testing.TB, nonces chunker.Nonces) (*[chunker.KeySize]byte, *chunker.Sealer) {
	t.Helper()
	key, k := newKey(t, nonces)
	s, err := k.NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	return key, s
}

func seal(t testing.TB, s *chunker.Sealer, dst, head, plain, aad []byte) []byte {
	t.Helper()
	out, err := s.Seal(dst, head, plain, aad)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// reference is the cipher without this package.
func reference(t testing.TB, key *[chunker.KeySize]byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
