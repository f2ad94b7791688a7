package credfile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"

	"github.com/youmark/pkcs8"
)

// pkcs8Type is how PEM names a private key that is encrypted (RFC 5958, section
// 3, in the form of RFC 7468, section 11).
const pkcs8Type = "ENCRYPTED PRIVATE KEY"

// ReadLockedPair reads a client's certificate and its encrypted private key
// (PKCS#8 with PBES2) from PEM files. The first line of the password file is
// the password.
func ReadLockedPair(name, cert, key, passwordFile string, log *slog.Logger) (tls.Certificate, error) {
	certificate, _, err := Read(name, cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	locked, err := ReadSecret(name+"'s key", key, log)
	if err != nil {
		return tls.Certificate{}, err
	}
	defer clear(locked)
	password, err := ReadPassword("key password", passwordFile, log)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := unlockKey(locked, []byte(password))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s's key: %s: %w", name, key, err)
	}
	defer clear(private)
	return makePair(name, certificate, private)
}

// isLocked tells whether a PEM file has an encrypted private key, also in the
// older form that encrypts single blocks.
func isLocked(b []byte) bool {
	return bytes.Contains(b, []byte("BEGIN "+pkcs8Type)) || bytes.Contains(b, []byte("Proc-Type: 4,ENCRYPTED"))
}

// unlockKey returns a PEM file with the private key in plain.
func unlockKey(b, password []byte) ([]byte, error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pkcs8Type {
			continue
		}
		defer clear(block.Bytes)
		private, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, password)
		if err != nil {
			return nil, fmt.Errorf("the password does not fit, or the cipher is not known: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return nil, err
		}
		defer clear(der)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
	if isLocked(b) {
		return nil, errors.New("it is encrypted in the old form of OpenSSL; openssl pkcs8 -topk8 converts it")
	}
	return nil, errors.New("a password is given and there is no encrypted key")
}
