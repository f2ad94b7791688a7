package local

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/keys"
)

// ErrFIPS says that X25519 was asked for in a process that runs with
// GODEBUG=fips140=only.
var ErrFIPS = errors.New("X25519 is not available with fips140=only; an RSA or a local AES key is")

// kdfInfo is the beginning of the COSE_KDF_Context of RFC 9053 section 5.2 in
// deterministic CBOR: [-5, [nil, nil, nil], [nil, nil, nil], [256, protected,
// other]] with protected = {1: -31} and other of 64 bytes, which follow.
const kdfInfo = "\x84\x24\x83\xf6\xf6\xf6\x83\xf6\xf6\xf6\x83\x19\x01\x00\x44\xa1\x01\x38\x1e\x58\x40"

// X25519Public is the public half of an X25519 KEK. It wraps with ECDH-ES,
// HKDF-SHA-256 and AES key wrap (RFC 9053 section 6.4.1, COSE algorithm -31)
// and cannot unwrap.
type X25519Public struct {
	id
	key *ecdh.PublicKey
}

// X25519 is an X25519 KEK with its private key: it wraps as its public half
// does, and unwraps.
type X25519 struct {
	X25519Public
	private *ecdh.PrivateKey
}

var (
	_ keys.Wrapper = (*X25519Public)(nil)
	_ keys.Wrapper = (*X25519)(nil)
	_ keys.Local   = (*X25519)(nil)
)

// NewX25519Public returns the public half of a KEK. The key must be canonical
// and not of low order.
func NewX25519Public(key *ecdh.PublicKey) (*X25519Public, error) {
	if fips140.Enforced() {
		return nil, ErrFIPS
	}
	if key.Curve() != ecdh.X25519() {
		return nil, &KindError{Want: kindX25519, Have: "a key of another curve"}
	}
	// Another spelling of the key would have another id, which its holder does
	// not answer to.
	if !isCanonical(key.Bytes()) {
		return nil, errors.New("X25519 key: not in canonical form")
	}
	d, err := publicID("x25519", key)
	if err != nil {
		return nil, fmt.Errorf("X25519 key: %w", err)
	}
	k := &X25519Public{id: d, key: key}
	if _, err := k.Wrap(context.Background(), keys.Context{}, make([]byte, keys.DEKSize)); err != nil {
		return nil, err
	}
	return k, nil
}

// NewX25519 returns the KEK with this private key.
func NewX25519(key *ecdh.PrivateKey) (*X25519, error) {
	public, err := NewX25519Public(key.PublicKey())
	if err != nil {
		return nil, err
	}
	return &X25519{X25519Public: *public, private: key}, nil
}

// ParseX25519Public reads the public half of an X25519 KEK from a PEM file that
// holds it (PKIX) or the private key (PKCS #8).
func ParseX25519Public(file []byte) (*X25519Public, error) {
	key, err := parseX25519(file)
	if err != nil {
		return nil, err
	}
	return x25519Public(key)
}

// ParseX25519 reads an X25519 KEK from a PEM file (PKCS #8). Its error is
// ErrPublicOnly if the file holds the public key.
func ParseX25519(file []byte) (*X25519, error) {
	key, err := parseX25519(file)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *ecdh.PrivateKey:
		return NewX25519(key)
	case *ecdh.PublicKey:
		return nil, ErrPublicOnly
	}
	return nil, &KindError{Want: kindX25519, Have: kindOf(key)}
}

// GenerateX25519 returns a new X25519 KEK as the content of a PEM file (PKCS
// #8).
func GenerateX25519() ([]byte, error) {
	if fips140.Enforced() {
		return nil, ErrFIPS
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("X25519 key: %w", err)
	}
	return privatePEM(key)
}

// Wrap implements keys.Wrapper.
func (k *X25519Public) Wrap(_ context.Context, _ keys.Context, dek []byte) (keys.Wrapped, error) {
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return keys.Wrapped{}, k.unusable("wrap", err)
	}
	return k.wrapUnder(ephemeral, dek)
}

// wrapUnder wraps dek with an ephemeral key, which must be used once.
func (k *X25519Public) wrapUnder(ephemeral *ecdh.PrivateKey, dek []byte) (keys.Wrapped, error) {
	if len(dek) != keys.DEKSize {
		return keys.Wrapped{}, k.unusable("wrap", errDEKSize)
	}
	block, err := agreeKW(ephemeral, k.key, ephemeral.PublicKey(), k.key)
	if err != nil {
		return keys.Wrapped{}, k.unusable("wrap", err)
	}
	w := k.newWrapped(keys.AlgECDHESA256KW)
	w.Ephemeral = ephemeral.PublicKey().Bytes()
	if w.Ciphertext, err = appendWrap(make([]byte, 0, wrappedSize), block, dek); err != nil {
		return keys.Wrapped{}, k.unusable("wrap", err)
	}
	return w, nil
}

// Fits says by alg and kid alone whether w was wrapped for this key;
// keys.Unwrapper has it.
func (k *X25519Public) Fits(w *keys.Wrapped) bool {
	return w.Alg == keys.AlgECDHESA256KW && k.isNamedBy(w)
}

// Unwrap implements keys.Unwrapper. An ephemeral key that is not in canonical
// form is refused: X25519 ignores the top bit of a public key (RFC 7748 section
// 5), so a changed envelope would still open.
func (k *X25519) Unwrap(_ context.Context, _ keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	if !k.Fits(w) {
		return nil, k.badWrap(errForeign)
	}
	if fips140.Enforced() {
		return nil, k.unusable("unwrap", ErrFIPS)
	}
	ephemeral, err := ecdh.X25519().NewPublicKey(w.Ephemeral)
	if err != nil || !isCanonical(w.Ephemeral) {
		return nil, k.badWrap(errors.New("ephemeral key is not 32 bytes in canonical form"))
	}
	block, err := agreeKW(k.private, ephemeral, ephemeral, k.key)
	if err != nil {
		return nil, k.badWrap(err)
	}
	if dst, err = appendUnwrapDEK(dst, block, w.Ciphertext); err != nil {
		return nil, k.badWrap(err)
	}
	return dst, nil
}

// agreeKW returns the cipher that wraps the DEK between two keys, of which each
// side has one private key. crypto/ecdh refuses a shared secret of zeros, which
// a public key of low order gives.
//
// Both public keys are part of the derivation (docs/envelope.md, section 4).
// Adding a point of low order to the ephemeral key leaves the secret as it was,
// so without them seven other envelopes would open too.
func agreeKW(private *ecdh.PrivateKey, public, ephemeral, recipient *ecdh.PublicKey) (cipher.Block, error) {
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return deriveKW(secret, kdfInfo+string(ephemeral.Bytes())+string(recipient.Bytes()))
}

// deriveKW returns the key-wrapping cipher of a shared secret (RFC 9053 section
// 5.1, no salt).
func deriveKW(secret []byte, info string) (cipher.Block, error) {
	kek, err := hkdf.Key(sha256.New, secret, nil, info, AESKeySize)
	if err != nil {
		return nil, err
	}
	defer clear(kek)
	return aes.NewCipher(kek)
}

// parseX25519 returns the key in a PEM file, of any kind.
func parseX25519(file []byte) (any, error) {
	if fips140.Enforced() {
		return nil, ErrFIPS
	}
	return parsePEMKey(kindX25519, file)
}

// x25519Public returns the public half of a key that parsePEM returned.
func x25519Public(key any) (*X25519Public, error) {
	switch key := key.(type) {
	case *ecdh.PrivateKey:
		return NewX25519Public(key.PublicKey())
	case *ecdh.PublicKey:
		return NewX25519Public(key)
	}
	return nil, &KindError{Want: kindX25519, Have: kindOf(key)}
}

// isCanonical says whether a public key, little-endian, is below the field's
// prime 2^255-19.
func isCanonical(key []byte) bool {
	big := slices.Clone(key)
	slices.Reverse(big)
	return string(big) < fieldPrime
}

// fieldPrime is 2^255-19, big-endian.
const fieldPrime = "\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xed"
