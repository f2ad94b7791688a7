package local

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/fips140"
	"crypto/rand"
	"errors"

	"github.com/streamcrypt/streamcrypt/keys"
)

// x25519Size is the size of a public key in bytes.
const x25519Size = 32

// KID returns the id by which messages name the KEK: 8 bytes, the ones that its
// Name shows.
func (d *id) KID() []byte { return append([]byte(nil), d.kid[:]...) }

// WrapDerived is Wrap for another format than the envelope's: derive makes the
// wrapping key of the shared secret. The Ephemeral of the result is the public
// key alone.
func (k *X25519Public) WrapDerived(derive keys.Derivation, dek []byte) (keys.Wrapped, error) {
	if len(dek) != keys.DEKSize {
		return keys.Wrapped{}, k.unusable("wrap", errDEKSize)
	}
	if fips140.Enforced() {
		return keys.Wrapped{}, k.unusable("wrap", ErrFIPS)
	}
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return keys.Wrapped{}, k.unusable("wrap", err)
	}
	w := k.newWrapped(keys.AlgECDHESA256KW)
	w.Ephemeral = ephemeral.PublicKey().Bytes()
	of := keys.Agreement{Ephemeral: w.Ephemeral, Recipient: k.key.Bytes()}
	block, err := agreeDerived(derive, ephemeral, k.key, of)
	if err != nil {
		return keys.Wrapped{}, k.unusable("wrap", err)
	}
	if w.Ciphertext, err = appendWrap(make([]byte, 0, wrappedSize), block, dek); err != nil {
		return keys.Wrapped{}, k.unusable("wrap", err)
	}
	return w, nil
}

// UnwrapDerived is Unwrap for another format than the envelope's. Everything in
// w.Ephemeral behind the public key is the Party of the Agreement.
func (k *X25519) UnwrapDerived(derive keys.Derivation, dst []byte, w *keys.Wrapped) ([]byte, error) {
	if !k.Fits(w) {
		return nil, k.badWrap(errForeign)
	}
	if fips140.Enforced() {
		return nil, k.unusable("unwrap", ErrFIPS)
	}
	if len(w.Ephemeral) < x25519Size || !isCanonical(w.Ephemeral[:x25519Size]) {
		return nil, k.badWrap(errors.New("ephemeral key is not 32 bytes in canonical form"))
	}
	public, party := w.Ephemeral[:x25519Size], w.Ephemeral[x25519Size:]
	ephemeral, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, k.badWrap(err)
	}
	block, err := agreeDerived(derive, k.private, ephemeral,
		keys.Agreement{Ephemeral: public, Recipient: k.key.Bytes(), Party: party})
	if err != nil {
		return nil, k.badWrap(err)
	}
	if dst, err = appendUnwrapDEK(dst, block, w.Ciphertext); err != nil {
		return nil, k.badWrap(err)
	}
	return dst, nil
}

// agreeDerived returns the cipher that wraps a DEK. crypto/ecdh refuses a
// shared secret of zeros, which a public key of low order gives.
func agreeDerived(
	derive keys.Derivation, private *ecdh.PrivateKey, public *ecdh.PublicKey, a keys.Agreement,
) (cipher.Block, error) {
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	a.Secret = secret
	kek, err := derive(&a)
	defer clear(kek)
	switch {
	case err != nil:
		return nil, err
	case len(kek) != AESKeySize:
		return nil, errDEKSize
	}
	return aes.NewCipher(kek)
}
