package local

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
)

// A proof key makes digests of plaintext in reports (docs/proof.md). It is
// derived from the private key, and tells nothing about it.
const (
	proofInfo = "streamcrypt/1 proof"
	proofSize = 32
)

// ProofKey returns the proof key, 32 bytes: HKDF-Expand-SHA-256 of the KEK. The
// caller owns it.
func (k *AES) ProofKey() ([]byte, error) { return bytes.Clone(k.proof), nil }

// ProofKey returns the proof key, 32 bytes: HKDF-SHA-256 of the private key
// without a salt. The caller owns it.
func (k *X25519) ProofKey() ([]byte, error) {
	secret := k.private.Bytes()
	defer clear(secret)
	return hkdf.Key(sha256.New, secret, nil, proofInfo, proofSize)
}

// ProofKey returns the proof key, 32 bytes: HKDF-SHA-256 of the private
// exponent (big-endian, without zeros in front) without a salt. The caller owns
// it.
func (k *RSA) ProofKey() ([]byte, error) {
	secret := k.private.D.Bytes()
	defer clear(secret)
	return hkdf.Key(sha256.New, secret, nil, proofInfo, proofSize)
}
