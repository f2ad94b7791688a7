// Package credfile reads files that hold credentials: passwords, seeds, private
// keys, and the certificates that go with them.
//
// One policy holds for all of them, whichever broker or key service they are
// for. A file is text in UTF-8, with or without a byte order mark, and has a
// bounded size. A secret that others than its owner can read
// is used, and warned of, since in a container the mode is often not the user's
// to choose. Errors and log lines name the file and hold nothing of its
// content.
//
// The package must not know the use of a credential.
package credfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/textfile"
)

// MaxSize is more than any credential needs, a bundle of certificates included,
// in bytes.
const MaxSize = 1 << 20

// Read reads a file, and tells its mode as Mode does. The bytes are the
// caller's, to be cleared once they are used. The name stands in errors:
// "password".
func Read(name, path string) ([]byte, fs.FileMode, error) {
	b, mode, err := readBounded(path)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", name, err)
	}
	return b, mode, nil
}

func readBounded(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	buf := make([]byte, MaxSize+1)
	n, err := io.ReadFull(f, buf)
	switch {
	case err == nil:
		clear(buf)
		return nil, 0, fmt.Errorf("%s: more than %d bytes", path, MaxSize)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		clear(buf)
		return nil, 0, err
	}
	text, err := textfile.Clean(buf[:n])
	b := append([]byte(nil), text...)
	clear(buf)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return b, Mode(info), nil
}

// ReadSecret reads a file like Read, and warns of its mode.
func ReadSecret(name, path string, log *slog.Logger) ([]byte, error) {
	b, mode, err := Read(name, path)
	if err != nil {
		return nil, err
	}
	WarnOfMode(name, path, mode, log)
	return b, nil
}

// ReadPassword reads a secret that is a line of text. One line end at the end
// of the file is ignored.
func ReadPassword(name, path string, log *slog.Logger) (string, error) {
	b, err := ReadSecret(name, path, log)
	if err != nil {
		return "", err
	}
	defer clear(b)
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// CheckSecret finds a secret that a client library reads by itself, and warns
// of its mode.
func CheckSecret(name, path string, log *slog.Logger) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	WarnOfMode(name, path, Mode(info), log)
	return nil
}

// WarnOfMode warns of a secret that others than its owner can read.
func WarnOfMode(name, path string, mode fs.FileMode, log *slog.Logger) {
	if mode.Perm()&0o077 != 0 {
		log.Warn(name+" can be read by others than its owner", "file", path, "mode", mode.Perm().String())
	}
}

// ReadRoots reads the certificates of a PEM file that are to be trusted.
func ReadRoots(name, path string) (*x509.CertPool, error) {
	b, _, err := Read(name, path)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: %s: no certificate in it", name, path)
	}
	return roots, nil
}

// ErrLockedKey says that a private key is encrypted and that no password for it
// was given.
var ErrLockedKey = errors.New("the key is encrypted")

// ReadPair reads a client's certificate and its private key from PEM files.
func ReadPair(name, cert, key string, log *slog.Logger) (tls.Certificate, error) {
	certificate, _, err := Read(name, cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := ReadSecret(name+"'s key", key, log)
	if err != nil {
		return tls.Certificate{}, err
	}
	defer clear(private)
	if isLocked(private) {
		return tls.Certificate{}, fmt.Errorf("%s's key: %s: %w", name, key, ErrLockedKey)
	}
	return makePair(name, certificate, private)
}

func makePair(name string, certificate, private []byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(certificate, private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", name, err)
	}
	return pair, nil
}
