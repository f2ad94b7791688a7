package chunker

import (
	"crypto/cipher"
	"fmt"

	"github.com/streamcrypt/streamcrypt/internal/secret"
)

// OpeningKey is a DEK that opens. It is safe for concurrent use.
type OpeningKey struct {
	aead cipher.AEAD
	// joined: the cipher takes its nonce in front of the ciphertext and not
	// apart, as the only GCM does that GODEBUG=fips140=only allows.
	joined bool
}

// NewOpeningKey makes an opening key of a DEK that was unwrapped. Its caller
// has compared the Commitment. It keeps no reference to key.
func NewOpeningKey(key *[KeySize]byte) (*OpeningKey, error) {
	k := &OpeningKey{}
	var err error
	secret.Do(func() { err = k.makeCipher(key) })
	if err != nil {
		return nil, err
	}
	return k, nil
}

func (k *OpeningKey) makeCipher(key *[KeySize]byte) error {
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

// Open verifies the tag at the end of ciphertext and appends the plaintext to
// dst. On ErrTampered dst is returned unchanged and its spare capacity holds no
// plaintext. An iv of another size than IVSize, and a ciphertext that is
// shorter than a tag, are ErrTampered too. To open in place, dst is
// ciphertext[:0]; otherwise ciphertext and the spare capacity of dst must not
// overlap.
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
