package local

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"github.com/streamcrypt/streamcrypt/keys"
)

// The shortest and the longest modulus of an RSA KEK in bits.
const (
	MinRSABits = 2048
	MaxRSABits = 4096
)

// RSAPublic is the public half of an RSA KEK. It wraps with RSAES-OAEP with an
// empty label (RFC 8230), and SHA-256 (COSE algorithm -41) unless it is one of
// WithSHA512 (-42). It cannot unwrap.
type RSAPublic struct {
	id
	key *rsa.PublicKey
	alg int64
}

// RSA is an RSA KEK with its private key: it wraps as its public half does, and
// unwraps that and RSAES-OAEP with SHA-512 (COSE algorithm -42).
type RSA struct {
	RSAPublic
	private *rsa.PrivateKey
}

var (
	_ keys.Wrapper = (*RSAPublic)(nil)
	_ keys.Wrapper = (*RSA)(nil)
	_ keys.Local   = (*RSA)(nil)
)

// NewRSAPublic returns the public half of a KEK. The key has MinRSABits to
// MaxRSABits and must not be changed afterwards.
func NewRSAPublic(key *rsa.PublicKey) (*RSAPublic, error) {
	if err := checkRSABits(key.N.BitLen()); err != nil {
		return nil, err
	}
	d, err := publicID("rsa", key)
	if err != nil {
		return nil, fmt.Errorf("RSA key: %w", err)
	}
	k := &RSAPublic{id: d, key: key, alg: keys.AlgRSAOAEP256}
	// crypto/rsa knows the other reasons that make a key unusable: a bad
	// exponent, an even modulus, FIPS rules.
	if _, err := k.Wrap(context.Background(), keys.Context{}, make([]byte, keys.DEKSize)); err != nil {
		return nil, err
	}
	return k, nil
}

// WithSHA512 returns the same key, which wraps with SHA-512. The private key
// unwraps both.
func (k *RSAPublic) WithSHA512() *RSAPublic {
	out := *k
	out.alg = keys.AlgRSAOAEP512
	return &out
}

// NewRSA returns the KEK with this private key, which must not be changed
// afterwards.
func NewRSA(key *rsa.PrivateKey) (*RSA, error) {
	public, err := NewRSAPublic(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", public.name, err)
	}
	return &RSA{RSAPublic: *public, private: key}, nil
}

// ParseRSAPublic reads the public half of an RSA KEK from a PEM file that holds
// it (PKIX, PKCS #1) or the private key (PKCS #8, PKCS #1).
func ParseRSAPublic(file []byte) (*RSAPublic, error) {
	key, err := parsePEMKey(kindRSA, file)
	if err != nil {
		return nil, err
	}
	return rsaPublic(key)
}

// ParseRSA reads an RSA KEK from a PEM file (PKCS #8, PKCS #1). Its error is
// ErrPublicOnly if the file holds the public key.
func ParseRSA(file []byte) (*RSA, error) {
	key, err := parsePEMKey(kindRSA, file)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return NewRSA(key)
	case *rsa.PublicKey:
		return nil, ErrPublicOnly
	}
	return nil, &KindError{Want: kindRSA, Have: kindOf(key)}
}

// GenerateRSA returns a new RSA KEK, its modulus bits long, as the content of a
// PEM file (PKCS #8).
func GenerateRSA(bits int) ([]byte, error) {
	if err := checkRSABits(bits); err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("RSA key: %w", err)
	}
	return privatePEM(key)
}

// Wrap implements keys.Wrapper.
func (k *RSAPublic) Wrap(_ context.Context, _ keys.Context, dek []byte) (keys.Wrapped, error) {
	if len(dek) != keys.DEKSize {
		return keys.Wrapped{}, k.unusable("wrap", errDEKSize)
	}
	w := k.newWrapped(k.alg)
	var err error
	if w.Ciphertext, err = rsa.EncryptOAEP(oaepHash(k.alg)(), rand.Reader, k.key, dek, nil); err != nil {
		return keys.Wrapped{}, k.unusable("wrap", err)
	}
	return w, nil
}

// Fits says by alg and kid alone whether w was wrapped for this key;
// keys.Unwrapper has it.
func (k *RSAPublic) Fits(w *keys.Wrapped) bool { return oaepHash(w.Alg) != nil && k.isNamedBy(w) }

// Unwrap implements keys.Unwrapper.
func (k *RSA) Unwrap(_ context.Context, _ keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	if !k.Fits(w) {
		return nil, k.badWrap(errForeign)
	}
	if n := k.key.Size(); len(w.Ciphertext) != n {
		return nil, k.badWrap(fmt.Errorf("wrapped key has %d bytes, not %d", len(w.Ciphertext), n))
	}
	dek, err := rsa.DecryptOAEP(oaepHash(w.Alg)(), nil, k.private, w.Ciphertext, nil)
	if err != nil {
		return nil, k.badWrap(errIntegrity)
	}
	defer clear(dek)
	if len(dek) != keys.DEKSize {
		return nil, k.badWrap(errDEKSize)
	}
	return append(dst, dek...), nil
}

// oaepHash returns the hash of an RSAES-OAEP algorithm (RFC 8230 section 3),
// nil if we do not take alg. SHA-1 (-40) is none of ours.
func oaepHash(alg int64) func() hash.Hash {
	switch alg {
	case keys.AlgRSAOAEP256:
		return sha256.New
	case keys.AlgRSAOAEP512:
		return sha512.New
	}
	return nil
}

func checkRSABits(bits int) error {
	if bits < MinRSABits || bits > MaxRSABits {
		return fmt.Errorf("RSA key has %d bits; %d to %d are allowed", bits, MinRSABits, MaxRSABits)
	}
	return nil
}

// rsaPublic returns the public half of a key that parsePEM returned.
func rsaPublic(key any) (*RSAPublic, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return NewRSAPublic(&key.PublicKey)
	case *rsa.PublicKey:
		return NewRSAPublic(key)
	}
	return nil, &KindError{Want: kindRSA, Have: kindOf(key)}
}
