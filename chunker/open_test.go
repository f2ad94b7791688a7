package chunker_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/chunker"
)

// sealed is one chunk and what it takes to open it.
type sealed struct {
	key                        *chunker.OpeningKey
	plain, iv, ciphertext, aad []byte
}

func newSealed(t testing.TB, nonces chunker.Nonces, size int) sealed {
	t.Helper()
	dek, s := newSealer(t, nonces)
	key, err := chunker.NewOpeningKey(dek)
	if err != nil {
		t.Fatal(err)
	}
	plain, aad := random(t, size), random(t, 13)
	out := seal(t, s, nil, nil, plain, aad)
	return sealed{key, plain, out[:chunker.IVSize], out[chunker.IVSize:], aad}
}

func TestOpen(t *testing.T) {
	for name, nonces := range bothKinds {
		for _, size := range []int{0, 1, 40, 5000} {
			s := newSealed(t, nonces, size)
			for _, dst := range [][]byte{nil, []byte("before"), append(make([]byte, 0, 6000), "before"...)} {
				out, err := s.key.Open(dst, s.iv, s.ciphertext, s.aad)
				if err != nil || !bytes.Equal(out, append(bytes.Clone(dst), s.plain...)) {
					t.Fatalf("%s, %d bytes: %x, %v", name, size, out, err)
				}
			}
			out, err := s.key.Open(s.ciphertext[:0], s.iv, s.ciphertext, s.aad)
			if err != nil || !bytes.Equal(out, s.plain) {
				t.Fatalf("%s, %d bytes in place: %x, %v", name, size, out, err)
			}
		}
	}
}

// TestEveryFlippedBit: no bit of IV, ciphertext, tag and associated data can
// change.
func TestEveryFlippedBit(t *testing.T) {
	s := newSealed(t, chunker.Counter, 40)
	for name, field := range map[string][]byte{"iv": s.iv, "ciphertext": s.ciphertext, "aad": s.aad} {
		for bit := range 8 * len(field) {
			field[bit/8] ^= 1 << (bit % 8)
			refused(t, s, name)
			field[bit/8] ^= 1 << (bit % 8)
		}
	}
	if _, err := s.key.Open(nil, s.iv, s.ciphertext, s.aad); err != nil {
		t.Fatalf("with all bits as they were: %v", err)
	}
}

func TestWrongLengths(t *testing.T) {
	whole := newSealed(t, chunker.Counter, 40)
	for n := range len(whole.ciphertext) {
		s := whole
		s.ciphertext = s.ciphertext[:n]
		refused(t, s, "short ciphertext")
	}
	for n := range 2 * chunker.IVSize {
		if n != chunker.IVSize {
			s := whole
			s.iv = make([]byte, n)
			copy(s.iv, whole.iv)
			refused(t, s, "iv of another size")
		}
	}
	s := whole
	s.ciphertext = append(bytes.Clone(s.ciphertext), 0)
	refused(t, s, "long ciphertext")
	s = whole
	s.aad = append(bytes.Clone(s.aad), 0)
	refused(t, s, "long aad")
}

// refused fails t unless s does not open, neither beside nor in place, and
// nothing of its plaintext can be seen.
func refused(t *testing.T, s sealed, what string) {
	t.Helper()
	const before = "before"
	room := make([]byte, len(before)+len(s.ciphertext)+64)
	copy(room, before)
	out, err := s.key.Open(room[:len(before)], s.iv, s.ciphertext, s.aad)
	if !errors.Is(err, chunker.ErrTampered) || string(out) != before || &out[0] != &room[0] {
		t.Fatalf("%s: got %q, %v", what, out, err)
	}
	hidden(t, room, s.plain, what)

	place := bytes.Clone(s.ciphertext)
	out, err = s.key.Open(place[:0], s.iv, place, s.aad)
	if !errors.Is(err, chunker.ErrTampered) || len(out) != 0 {
		t.Fatalf("%s, in place: got %q, %v", what, out, err)
	}
	hidden(t, place, s.plain, what)
}

// hidden fails t if any 5 bytes of plain are in b.
func hidden(t *testing.T, b, plain []byte, what string) {
	t.Helper()
	for i := range len(plain) - 4 {
		if bytes.Contains(b, plain[i:i+5]) {
			t.Fatalf("%s: byte %d of the plaintext can be seen", what, i)
		}
	}
}

func TestOpenDoesNotAllocate(t *testing.T) {
	s := newSealed(t, chunker.Counter, 1000)
	dst := make([]byte, 0, 1000)
	allocs := testing.AllocsPerRun(100, func() { dst, _ = s.key.Open(dst[:0], s.iv, s.ciphertext, s.aad) })
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestKeysKeepNoReference: what is done to the DEK's bytes afterwards changes
// neither key.
func TestKeysKeepNoReference(t *testing.T) {
	for name, nonces := range bothKinds {
		var dek chunker.DEK
		copy(dek.Bytes(), random(t, chunker.KeySize))
		sealing, err := dek.NewSealingKey(nonces)
		if err != nil {
			t.Fatal(err)
		}
		bytes := [chunker.KeySize]byte(dek.Bytes())
		opening, err := chunker.NewOpeningKey(&bytes)
		if err != nil {
			t.Fatal(err)
		}
		clear(bytes[:])
		dek.Clear()
		s, err := sealing.NewSealer()
		if err != nil {
			t.Fatal(err)
		}
		out := seal(t, s, nil, nil, []byte("plain"), nil)
		got, err := opening.Open(nil, out[:chunker.IVSize], out[chunker.IVSize:], nil)
		if err != nil || string(got) != "plain" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
