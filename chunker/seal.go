package chunker

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/internal/secret"
)

// SealingKey is a DEK that seals. It is safe for concurrent use; its Sealers
// are not.
type SealingKey struct {
	aead       cipher.AEAD
	nonces     Nonces
	commitment [CommitmentSize]byte
	firstLease uint32
	leases     atomic.Uint64 // handed out
}

// newSealingKey keeps no reference to key.
func newSealingKey(key *[KeySize]byte, nonces Nonces) (*SealingKey, error) {
	k := &SealingKey{nonces: nonces, commitment: Commitment(key)}
	first, err := drawRandom()
	if err != nil {
		return nil, err
	}
	k.firstLease = uint32(first)
	secret.Do(func() { err = k.makeCipher(key) })
	if err != nil {
		return nil, err
	}
	return k, nil
}

// drawRandom returns 64 random bits.
func drawRandom() (uint64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("chunker: %w", err)
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

func (k *SealingKey) makeCipher(key *[KeySize]byte) (err error) {
	if err := checkNonces(k.nonces); err != nil {
		return err
	}
	switch k.nonces {
	case Counter:
		k.aead, err = newEngine(key)
		return err
	case Random:
		block, err := newBlock(key)
		if err != nil {
			return err
		}
		if k.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return fmt.Errorf("chunker: %w", err)
		}
	default:
		return fmt.Errorf("chunker: unknown kind of nonces %d", k.nonces)
	}
	return nil
}

// Commitment returns the key's commitment.
func (k *SealingKey) Commitment() [CommitmentSize]byte { return k.commitment }

// NewSealer returns a Sealer with a lease that no other Sealer of this key has
// had or will have. After 2^32 of them it returns ErrLeases, for ever.
func (k *SealingKey) NewSealer() (*Sealer, error) {
	n := k.leases.Add(1) - 1
	if n > math.MaxUint32 {
		k.leases.Store(math.MaxUint32 + 1) // never wraps, however often it is asked
		return nil, ErrLeases
	}
	counter, err := drawRandom()
	if err != nil {
		return nil, err
	}
	s := &Sealer{key: k, left: maxUses, counter: counter}
	s.self = s
	binary.BigEndian.PutUint32(s.iv[:4], k.firstLease+uint32(n))
	return s, nil
}

// Sealer seals chunks under one lease of a SealingKey. It is not safe for
// concurrent use. It must not be copied, since a copy would use the nonces of
// the original; Seal panics on one.
type Sealer struct {
	key     *SealingKey
	self    *Sealer // where NewSealer put it
	left    uint64  // uses of the lease
	counter uint64  // of the last use, modulo 2^64
	iv      [IVSize]byte
}

// Seal appends IV || head || ciphertext || tag to dst. The head stands between
// IV and ciphertext because envelopes put the length there; it is not
// authenticated here. plaintext and the spare capacity of dst must not overlap.
// When the lease is used up, after 2^32 seals, Seal returns ErrLeases and dst
// unchanged.
func (s *Sealer) Seal(dst, head, plaintext, aad []byte) ([]byte, error) {
	switch {
	case s.self != s:
		panic("chunker: a Sealer was copied")
	case s.left == 0:
		return dst, ErrLeases
	}
	s.left-- // before use, as the counter: no path seals twice under one value
	if s.key.nonces == Random {
		return s.sealRandom(dst, head, plaintext, aad), nil
	}
	s.counter++
	binary.BigEndian.PutUint64(s.iv[4:], s.counter)
	out := append(append(dst, s.iv[:]...), head...)
	out, err := sealCounted(s.key.aead, out, s.iv[:], plaintext, aad)
	if err != nil { // only of a build with the tag afalg
		return dst, err
	}
	return out, nil
}

// sealRandom lets the cipher draw the nonce. The cipher writes nonce ||
// ciphertext, so the ciphertext is placed where it belongs. Then the nonce is
// moved in front of the head, and the head written over the nonce's first
// place.
func (s *Sealer) sealRandom(dst, head, plaintext, aad []byte) []byte {
	start := len(dst)
	dst = append(dst, head...)
	dst = s.key.aead.Seal(dst, nil, plaintext, aad) //nolint:gosec // no nonce: the cipher draws one
	copy(s.iv[:], dst[start+len(head):])
	copy(dst[start:], s.iv[:])
	copy(dst[start+IVSize:], head)
	return dst
}
