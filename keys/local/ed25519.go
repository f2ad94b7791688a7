package local

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/keys"
)

// Ed25519Public is the public half of a signing key: it verifies signatures of
// a sealer (RFC 8032, pure Ed25519).
type Ed25519Public struct {
	id
	key ed25519.PublicKey
}

// Ed25519 is a signing key.
type Ed25519 struct {
	Ed25519Public
	private ed25519.PrivateKey
}

var (
	_ keys.Verifier = (*Ed25519Public)(nil)
	_ keys.Signer   = (*Ed25519)(nil)
)

// NewEd25519Public returns the public half of a signing key. The key must be in
// canonical form and not of small order.
func NewEd25519Public(key ed25519.PublicKey) (*Ed25519Public, error) {
	switch {
	case len(key) != ed25519.PublicKeySize:
		return nil, fmt.Errorf("Ed25519 key has %d bytes, not %d", len(key), ed25519.PublicKeySize)
	case !isCanonicalPoint(key):
		return nil, errors.New("Ed25519 key: not in canonical form")
	case isSmallOrder(key):
		return nil, errors.New("Ed25519 key: of small order, so others could sign for it")
	}
	d, err := publicID("ed25519", key)
	if err != nil {
		return nil, fmt.Errorf("Ed25519 key: %w", err)
	}
	return &Ed25519Public{id: d, key: bytes.Clone(key)}, nil
}

// NewEd25519 returns the signing key with this private key, which must not be
// changed afterwards.
func NewEd25519(key ed25519.PrivateKey) (*Ed25519, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("Ed25519 key has %d bytes, not %d", len(key), ed25519.PrivateKeySize)
	}
	public, err := NewEd25519Public(key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return &Ed25519{Ed25519Public: *public, private: key}, nil
}

// ParseEd25519Public reads the public half of a signing key from a PEM file
// that holds it (PKIX) or the private key (PKCS #8).
func ParseEd25519Public(file []byte) (*Ed25519Public, error) {
	key, err := parsePEMKey(kindEd25519, file)
	if err != nil {
		return nil, err
	}
	return ed25519Public(key)
}

// ParseEd25519 reads a signing key from a PEM file (PKCS #8). Its error is
// ErrPublicOnly if the file holds the public key.
func ParseEd25519(file []byte) (*Ed25519, error) {
	key, err := parsePEMKey(kindEd25519, file)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return NewEd25519(key)
	case ed25519.PublicKey:
		return nil, ErrPublicOnly
	}
	return nil, &KindError{Want: kindEd25519, Have: kindOf(key)}
}

// GenerateEd25519 returns a new signing key as the content of a PEM file (PKCS
// #8).
func GenerateEd25519() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("Ed25519 key: %w", err)
	}
	return privatePEM(key)
}

// KID implements keys.Signer and keys.Verifier.
func (k *Ed25519Public) KID() [keys.SignerKIDSize]byte { return k.kid }

// Verify implements keys.Verifier. crypto/ed25519 refuses an S that is not
// below the order of the group.
func (k *Ed25519Public) Verify(message, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(k.key, message, signature)
}

// Sign implements keys.Signer.
func (k *Ed25519) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.private, message), nil
}

// ed25519Public returns the public half of a key that parsePEM returned.
func ed25519Public(key any) (*Ed25519Public, error) {
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return NewEd25519Public(key.Public().(ed25519.PublicKey))
	case ed25519.PublicKey:
		return NewEd25519Public(key)
	}
	return nil, &KindError{Want: kindEd25519, Have: kindOf(key)}
}

// isCanonicalPoint says whether the y of a public key is below the field's
// prime (RFC 8032 section 5.1.3), which crypto/ed25519 does not ask. The sign
// of x stands in the top bit.
func isCanonicalPoint(key []byte) bool {
	y := bytes.Clone(key)
	y[31] &= 0x7f
	return isCanonical(y)
}

// smallOrders are the y of the points of order 1, 2, 4 and 8, little-endian.
var smallOrders = [...]string{
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0" +
		"\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f" +
		"\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
}

// isSmallOrder says whether a public key is a point of small order, with either
// sign of x.
func isSmallOrder(key []byte) bool {
	y := bytes.Clone(key)
	y[31] &= 0x7f
	return slices.Contains(smallOrders[:], string(y))
}
