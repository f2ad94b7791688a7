package local

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/streamcrypt/streamcrypt/keys"
)

// AESKeySize is the size of a local AES KEK in bytes.
const AESKeySize = 32

// wrappedSize is the size in bytes of a DEK under AES key wrap.
const wrappedSize = keys.DEKSize + kwBlock

// AES is an AES-256 KEK: it wraps and unwraps with AES key wrap (RFC 3394, COSE
// algorithm -5). Every holder of it can wrap and unwrap.
type AES struct {
	id
	block cipher.Block
	proof []byte // see ProofKey
}

var (
	_ keys.Wrapper = (*AES)(nil)
	_ keys.Local   = (*AES)(nil)
)

// NewAES returns the KEK whose key is kek, AESKeySize bytes, and keeps no
// reference to it. Its id is derived from the key by HKDF-Expand, so it tells
// nothing about the key and one key has one id.
func NewAES(kek []byte) (*AES, error) {
	if len(kek) != AESKeySize {
		return nil, fmt.Errorf("AES key has %d bytes, not %d", len(kek), AESKeySize)
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("AES key: %w", err)
	}
	kid, err := hkdf.Expand(sha256.New, kek, "streamcrypt/1 kid", kidSize)
	if err != nil {
		return nil, fmt.Errorf("AES key id: %w", err)
	}
	proof, err := hkdf.Expand(sha256.New, kek, proofInfo, proofSize)
	if err != nil {
		return nil, fmt.Errorf("AES key: %w", err)
	}
	return &AES{id: newID("local", kid), block: block, proof: proof}, nil
}

// ParseAES reads an AES KEK from a JWK file as GenerateAES writes it. Whether
// "alg" and "kid" are there does not matter, but "alg" must not be another than
// A256KW; the id is always derived from the key.
func ParseAES(file []byte) (*AES, error) {
	kek, err := parseJWK(file)
	if err != nil {
		return nil, err
	}
	defer clear(kek)
	return NewAES(kek)
}

// GenerateAES returns a new AES KEK as the content of a JWK file (RFC 7517, RFC
// 7518 section 6.4).
func GenerateAES() ([]byte, error) {
	kek := make([]byte, AESKeySize)
	defer clear(kek)
	rand.Read(kek)
	k, err := NewAES(kek)
	if err != nil {
		return nil, err
	}
	return appendJWK(nil, kek, k.kid[:]), nil
}

// Wrap implements keys.Wrapper.
func (k *AES) Wrap(_ context.Context, _ keys.Context, dek []byte) (keys.Wrapped, error) {
	if len(dek) != keys.DEKSize {
		return keys.Wrapped{}, k.unusable("wrap", errDEKSize)
	}
	w := k.newWrapped(keys.AlgA256KW)
	var err error
	if w.Ciphertext, err = appendWrap(make([]byte, 0, wrappedSize), k.block, dek); err != nil {
		return keys.Wrapped{}, k.unusable("wrap", err)
	}
	return w, nil
}

// Fits implements keys.Unwrapper.
func (k *AES) Fits(w *keys.Wrapped) bool { return w.Alg == keys.AlgA256KW && k.isNamedBy(w) }

// Unwrap implements keys.Unwrapper.
func (k *AES) Unwrap(_ context.Context, _ keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	if !k.Fits(w) {
		return nil, k.badWrap(errForeign)
	}
	dst, err := appendUnwrapDEK(dst, k.block, w.Ciphertext)
	if err != nil {
		return nil, k.badWrap(err)
	}
	return dst, nil
}

// appendUnwrapDEK is appendUnwrap for a wrapped key that must hold a DEK.
func appendUnwrapDEK(dst []byte, b cipher.Block, wrapped []byte) ([]byte, error) {
	if len(wrapped) != wrappedSize {
		return nil, fmt.Errorf("wrapped key has %d bytes, not %d", len(wrapped), wrappedSize)
	}
	return appendUnwrap(dst, b, wrapped)
}
