// Package chunker seals and opens single chunks with AES-256-GCM under one data
// encryption key (DEK). It owns the rules that make that safe: which nonces a
// key has used, and which keys may seal.
//
// A [SealingKey] only seals and an [OpeningKey] only opens, and neither becomes
// the other: a DEK that was unwrapped cannot seal. A [DEK] makes one
// SealingKey, and each goroutine that seals has a [Sealer] with a lease of its
// own, so nonces never meet:
//
//	IV, 12 bytes:  lease 4 | counter 8     (SP 800-38D, 8.2.1; big-endian)
//
// The lease is the fixed field and the counter the invocation field: an integer
// modulo 2^64 that begins at a random value for each lease. The first lease of
// a key is random too, and the next ones count up modulo 2^32. So two programs
// that hold one DEK by accident do not repeat each other's nonces at once.
//
// The package must not know the meaning of the bytes: neither envelopes, nor
// associated data, nor where keys come from or how long they live. It starts no
// goroutine and imports the standard library and internal/secret only; a build
// with the tag afalg seals through internal/kernelaead.
package chunker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/internal/secret"
)

const (
	// KeySize is the size of a DEK in bytes.
	KeySize = 32
	// IVSize is the size of a nonce in bytes.
	IVSize = 12
	// TagSize is the size of an authentication tag in bytes.
	TagSize = 16
	// Overhead is the number of bytes that Seal adds to a plaintext, beside the
	// head that its caller gave.
	Overhead = IVSize + TagSize
	// CommitmentSize is the size of a key commitment in bytes.
	CommitmentSize = 32

	// maxUses is how often one lease is used at most (docs/envelope.md, section
	// 11).
	maxUses = 1 << 32
)

var (
	// ErrTampered says that a tag did not verify.
	ErrTampered = errors.New("tampered")
	// ErrLeases says that a key has handed out all its leases, or that a lease
	// has been used up.
	ErrLeases = errors.New("no nonces left under this key")
	// ErrSpent says that a DEK has made its SealingKey already.
	ErrSpent = errors.New("chunker: a DEK makes one sealing key, and this one has")
	// ErrCounterNonces says that this process runs in a mode that forbids
	// nonces from a counter (GODEBUG=fips140=only).
	ErrCounterNonces = errors.New("nonces from a counter are not allowed in this mode")
)

// Nonces says how the nonces of a key are made. One key uses one kind only.
type Nonces int

const (
	// Counter nonces are lease || counter (SP 800-38D, 8.2.1).
	Counter Nonces = iota
	// Random nonces are drawn by the cipher (SP 800-38D, 8.2.2). It is the mode
	// for GODEBUG=fips140=only, and where running virtual machines are cloned.
	Random
)

// Commitment returns HKDF-Expand-SHA-256(key, "streamcrypt/1 commitment", 32).
// It commits to the key without revealing it; AES-GCM alone does not commit.
func Commitment(key *[KeySize]byte) [CommitmentSize]byte {
	var commitment [CommitmentSize]byte
	secret.Do(func() {
		out, err := hkdf.Expand(sha256.New, key[:], "streamcrypt/1 commitment", CommitmentSize)
		if err != nil { // only for an output longer than 255 hashes
			panic("chunker: internal error: " + err.Error())
		}
		commitment = [CommitmentSize]byte(out)
	})
	return commitment
}

func newBlock(key *[KeySize]byte) (cipher.Block, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("chunker: %w", err)
	}
	return block, nil
}
