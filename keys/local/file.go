package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
)

// maxFile is the size in bytes beyond which a file is not taken for a key file.
// That of an RSA key of MaxRSABits has less than a quarter of it.
const maxFile = 16 << 10

// The kinds of key that a file can hold, in the words of a KindError.
const (
	kindAES      = "a local AES key (JWK)"
	kindOtherJWK = "a JWK of another type"
	kindX25519   = "an X25519 key"
	kindRSA      = "an RSA key"
	kindEd25519  = "an Ed25519 key"
)

var (
	// ErrPublicOnly says that a file holds a public key where the private one
	// is needed.
	ErrPublicOnly = errors.New("holds a public key only; unwrapping needs the private one")
	// ErrOpenSSH says that a file holds a key in a form of OpenSSH's own, which
	// ssh-keygen converts to PEM.
	ErrOpenSSH = errors.New("holds an OpenSSH key, not one in PEM (PKCS #8, PKCS #1 or PKIX)")
	// ErrNoPublic says that a public half was asked of a symmetric key.
	ErrNoPublic = errors.New("holds " + kindAES + ", which has no public half")
)

// KindError says that a file holds another kind of key than the one asked for.
// Put the file's name in front: "x25519:k.pem: holds an RSA key, not an X25519
// key".
type KindError struct {
	Want, Have string // with article: "an RSA key"
}

func (e *KindError) Error() string { return "holds " + e.Have + ", not " + e.Want }

// WidePermissions says whether a private key file with this mode is open to
// others than its owner, which deserves a warning.
func WidePermissions(mode fs.FileMode) bool { return mode.Perm()&0o077 != 0 }

// Public returns the public half of a key file as the content of a PEM file
// (PKIX). For a file that holds a public key that is the same key. For a
// symmetric key it returns ErrNoPublic.
func Public(file []byte) ([]byte, error) {
	if looksJSON(file) {
		if _, err := ParseAES(file); err != nil {
			return nil, err
		}
		return nil, ErrNoPublic
	}
	key, err := parsePEM(file)
	if err != nil {
		return nil, err
	}
	switch kindOf(key) {
	case kindX25519:
		k, err := x25519Public(key)
		if err != nil {
			return nil, err
		}
		return publicPEM(k.key)
	case kindRSA:
		k, err := rsaPublic(key)
		if err != nil {
			return nil, err
		}
		return publicPEM(k.key)
	case kindEd25519:
		k, err := ed25519Public(key)
		if err != nil {
			return nil, err
		}
		return publicPEM(k.key)
	}
	return nil, &KindError{Want: kindX25519 + ", " + kindRSA + " or " + kindEd25519, Have: kindOf(key)}
}

func checkSize(file []byte) error {
	if len(file) > maxFile {
		return fmt.Errorf("has %d bytes; a key file has at most %d", len(file), maxFile)
	}
	return nil
}

func looksJSON(file []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(file), []byte("{")) }

func looksPEM(file []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(file), []byte("-----BEGIN ")) }

// looksSSH tells whether a file is a private key in OpenSSH's own PEM block, or
// a public key as one line.
func looksSSH(file []byte) bool {
	for _, beginning := range []string{"-----BEGIN OPENSSH ", "ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"} {
		if bytes.HasPrefix(file, []byte(beginning)) {
			return true
		}
	}
	return false
}
