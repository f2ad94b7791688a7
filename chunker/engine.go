//go:build !afalg

package chunker

import (
	"crypto/cipher"
	"fmt"
)

// newEngine returns the cipher that seals under counter nonces.
func newEngine(key *[KeySize]byte) (cipher.AEAD, error) {
	block, err := newBlock(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCounterNonces, err)
	}
	return aead, nil
}

// checkNonces refuses kinds of nonces that the engine does not have.
func checkNonces(Nonces) error { return nil }

// sealCounted seals under a nonce of the counter.
func sealCounted(aead cipher.AEAD, dst, nonce, plaintext, aad []byte) ([]byte, error) {
	return aead.Seal(dst, nonce, plaintext, aad), nil
}
