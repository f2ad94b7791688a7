package local

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	blockPKCS8     = "PRIVATE KEY"
	blockPKCS1     = "RSA PRIVATE KEY"
	blockPKIX      = "PUBLIC KEY"
	blockPKCS1Pub  = "RSA PUBLIC KEY"
	blockEncrypted = "ENCRYPTED PRIVATE KEY"
	blockCert      = "CERTIFICATE"
)

var errEncrypted = errors.New("holds a key under a passphrase, which is not supported")

// parsePEM returns the key in a PEM file as crypto/x509 returns it. The file
// has one block and nothing else: a second key or a damaged first one would
// otherwise be passed over silently.
func parsePEM(file []byte) (any, error) {
	if err := checkSize(file); err != nil {
		return nil, err
	}
	text := bytes.TrimSpace(file)
	switch {
	case looksSSH(text):
		return nil, ErrOpenSSH
	case !looksPEM(text):
		return nil, errors.New("holds no PEM block")
	}
	if bytes.Count(text, []byte("-----BEGIN ")) > 1 {
		return nil, errors.New("holds more than one PEM block")
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("holds a damaged PEM block")
	}
	defer clear(block.Bytes)
	if len(rest) != 0 {
		return nil, errors.New("holds text after its PEM block")
	}
	if len(block.Headers) != 0 {
		return nil, errEncrypted
	}
	return parseBlock(block)
}

// parseBlock reads the DER of a block. The causes of private keys' errors stay
// here: they may quote the bytes that they could not read.
func parseBlock(block *pem.Block) (key any, err error) {
	switch block.Type {
	case blockPKCS8:
		if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
			return nil, errors.New("PRIVATE KEY: not a usable PKCS #8 key")
		}
	case blockPKCS1:
		if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, errors.New("RSA PRIVATE KEY: not a usable PKCS #1 key")
		}
	case blockPKIX:
		if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("PUBLIC KEY: %w", err)
		}
		if aliased, ok := key.(ed25519.PublicKey); ok { // the block will be cleared
			key = ed25519.PublicKey(bytes.Clone(aliased))
		}
	case blockPKCS1Pub:
		if key, err = x509.ParsePKCS1PublicKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("RSA PUBLIC KEY: %w", err)
		}
	case blockEncrypted:
		return nil, errEncrypted
	case blockCert:
		return nil, errors.New("holds a certificate, not a key")
	default:
		return nil, errors.New("holds a PEM block that is no PKCS #8, PKCS #1 or PKIX key")
	}
	return key, nil
}

// kindOf names the kind of a key that parsePEM returned.
func kindOf(key any) string {
	switch key.(type) {
	case *ecdh.PrivateKey, *ecdh.PublicKey:
		return kindX25519
	case *rsa.PrivateKey, *rsa.PublicKey:
		return kindRSA
	case *ecdsa.PrivateKey, *ecdsa.PublicKey:
		return "an elliptic curve key"
	case ed25519.PrivateKey, ed25519.PublicKey:
		return kindEd25519
	}
	return "a key of another kind"
}

// describePEM names the kind of key in a PEM file, for the error of a caller
// that wants another kind.
func describePEM(file []byte) string {
	key, err := parsePEM(file)
	if err != nil {
		return "a PEM block"
	}
	return kindOf(key)
}

// parsePEMKey is parsePEM for a caller that wants a PEM key of a certain kind
// and may be handed a JWK.
func parsePEMKey(want string, file []byte) (any, error) {
	if looksJSON(file) {
		return nil, &KindError{Want: want, Have: "a JWK"}
	}
	return parsePEM(file)
}

// privatePEM returns key as a PEM file (PKCS #8).
func privatePEM(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("PKCS #8: %w", err)
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: blockPKCS8, Bytes: der}), nil
}

// publicPEM returns key as a PEM file (PKIX).
func publicPEM(key any) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("PKIX: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockPKIX, Bytes: der}), nil
}

// publicID names a KEK pair by its public key: the first kidSize bytes of
// SHA-256 over the DER of its SubjectPublicKeyInfo.
func publicID(scheme string, key any) (id, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return id{}, fmt.Errorf("PKIX: %w", err)
	}
	sum := sha256.Sum256(der)
	return newID(scheme, sum[:kidSize]), nil
}
