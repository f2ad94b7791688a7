package chunker

import (
	"crypto/cipher"
	"fmt"

	"github.com/streamcrypt/streamcrypt/internal/secret"
)

// OpeningKey is a DEK that opens. It is safe for concurrent use.
type OpeningKey struct {
	aead cipher.AEAD
	// joined: the cipher takes its nonce in front of the ciphertext and not apart, as the only GCM does
	// that GODEBUG=fips140=only allows.
	joined bool
}

// NewOpeningKey makes an opening key of a DEK that was unwrapped and whose Commitment its caller has compared.
// It keeps no reference to key.
func NewOpeningKey(key *[KeySize]byte) (*OpeningKey, error) {
	k := &OpeningKey{}
	var err error
	secret.Do(func() { err = k.schedule(key) })
	if err != nil {
		return nil, err
	}
	return k, nil
}

// schedule makes the cipher.
func (k *OpeningKey) schedule(key *[KeySize]byte) error {
	block, err := newBlock(key)
	if err != nil {
		return err
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		k.joined = true
		if k.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return fmt.Errorf("chunker: %w", err)
		}
	}
	return nil
}

// Open verifies the tag at the end of ciphertext and appends the plaintext to dst. On ErrTampered dst is
// returned unchanged and its spare capacity holds no plaintext. It is the error for an iv of another size than
// IVSize too, and for a ciphertext that is shorter than a tag. To open in place, dst is ciphertext[:0]; else
// ciphertext and dst's spare capacity must not overlap.
func (k *OpeningKey) Open(dst, iv, ciphertext, aad []byte) ([]byte, error) {
	if len(iv) != IVSize {
		return dst, ErrTampered
	}
	var nonce []byte
	if k.joined {
		ciphertext = append(append(make([]byte, 0, IVSize+len(ciphertext)), iv...), ciphertext...)
	} else {
		nonce = iv
	}
	out, err := k.aead.Open(dst, nonce, ciphertext, aad)
	if err != nil {
		return dst, ErrTampered
	}
	return out, nil
}
