package local

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newBlock(t testing.TB, key []byte) cipher.Block {
	t.Helper()
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The examples of RFC 3394 section 4, complete.
func TestKeyWrapRFC3394(t *testing.T) {
	const kek = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	const key = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
	for _, v := range []struct {
		section        string
		kekLen, keyLen int
		wrapped        string
	}{
		{"4.1", 16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{"4.2", 24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
		{"4.3", 32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
		{"4.4", 24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
		{"4.5", 32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
		{"4.6", 32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
	} {
		t.Run(v.section, func(t *testing.T) {
			block := newBlock(t, unhex(t, kek)[:v.kekLen])
			key, wrapped := unhex(t, key)[:v.keyLen], unhex(t, v.wrapped)

			got, err := appendWrap([]byte("before"), block, key)
			if err != nil || !bytes.Equal(got, append([]byte("before"), wrapped...)) {
				t.Errorf("wrap: %x, %v; want %x", got, err, wrapped)
			}
			got, err = appendUnwrap([]byte("before"), block, wrapped)
			if err != nil || !bytes.Equal(got, append([]byte("before"), key...)) {
				t.Errorf("unwrap: %x, %v; want %x", got, err, key)
			}
		})
	}
}

func TestKeyWrapRefusesSizes(t *testing.T) {
	block := newBlock(t, make([]byte, 32))
	for n := range 64 {
		if n%8 == 0 && n >= 16 {
			continue
		}
		if _, err := appendWrap(nil, block, make([]byte, n)); !errors.Is(err, errKWSize) {
			t.Errorf("wrap of %d bytes: %v", n, err)
		}
	}
	for n := range 64 {
		want := errKWSize
		if n%8 == 0 && n >= 24 {
			want = errIntegrity
		}
		if _, err := appendUnwrap(nil, block, make([]byte, n)); !errors.Is(err, want) {
			t.Errorf("unwrap of %d bytes: %v, want %v", n, err, want)
		}
	}
}

func TestUnwrapReleasesNothingUnverified(t *testing.T) {
	block := newBlock(t, make([]byte, 32))
	key := bytes.Repeat([]byte{0x5a}, 32)
	wrapped, err := appendWrap(nil, block, key)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(wrapped) {
		changed := bytes.Clone(wrapped)
		changed[bit/8] ^= 1 << (bit % 8)
		room := make([]byte, 3, 3+len(key))
		got, err := appendUnwrap(room, block, changed)
		if !errors.Is(err, errIntegrity) || got != nil {
			t.Fatalf("bit %d: %x, %v", bit, got, err)
		}
		if tail := room[3:cap(room)]; !bytes.Equal(tail, make([]byte, len(key))) {
			t.Fatalf("bit %d: unverified bytes are left behind: %x", bit, tail)
		}
	}
}
