package credfile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// store writes a file with a mode and returns its path.
func store(t *testing.T, name string, mode fs.FileMode, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate returns a self-signed certificate and its key as PEM.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// TestModes: every way to a secret warns of a file that others can read, and of
// nothing else; a certificate is no secret.
func TestModes(t *testing.T) {
	cert, key := certificate(t)
	open := store(t, "cert", 0o644, cert)
	for name, use := range map[string]func(path string, log *slog.Logger) error{
		"secret":   func(path string, log *slog.Logger) error { _, err := ReadSecret("thing", path, log); return err },
		"password": func(path string, log *slog.Logger) error { _, err := ReadPassword("thing", path, log); return err },
		"check":    func(path string, log *slog.Logger) error { return CheckSecret("thing", path, log) },
		"pair":     func(path string, log *slog.Logger) error { _, err := ReadPair("thing", open, path, log); return err },
	} {
		for mode, warned := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o660: true} {
			var out bytes.Buffer
			path := store(t, "k", mode, key)
			if err := use(path, slog.New(slog.NewTextHandler(&out, nil))); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			said := out.String()
			if strings.Contains(said, "can be read by others than its owner") != warned || warned != strings.Contains(said, path) {
				t.Errorf("%s with %v: %q", name, mode, said)
			}
			if strings.Contains(said, "PRIVATE") {
				t.Errorf("%s: the log holds the secret: %s", name, said)
			}
		}
	}
}

func TestReadPassword(t *testing.T) {
	for content, want := range map[string]string{
		"pass word": "pass word", "p\n": "p", "p\r\n": "p", "p\n\n": "p\n", " p ": " p ", "": "", "\n": "", "\xef\xbb\xbfp\r\n": "p",
	} {
		got, err := ReadPassword("password", store(t, "p", 0o600, []byte(content)), slog.New(slog.DiscardHandler))
		if err != nil || got != want {
			t.Errorf("%q: read %q, %v", content, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	cert, key := certificate(t)
	_, otherKey := certificate(t)
	log := slog.New(slog.DiscardHandler)
	large := store(t, "large", 0o600, make([]byte, MaxSize+1))
	good, none := store(t, "cert", 0o600, cert), store(t, "none", 0o600, []byte("topsecret"))
	private, other := store(t, "key", 0o600, key), store(t, "other", 0o600, otherKey)
	missing := filepath.Join(t.TempDir(), "missing")
	pair := func(cert, key string) error { _, err := ReadPair("cert", cert, key, log); return err }
	roots := func(path string) error { _, err := ReadRoots("ca", path); return err }
	secret := func(path string) error { _, err := ReadSecret("password", path, log); return err }
	if _, err := ReadSecret("password", store(t, "most", 0o600, make([]byte, MaxSize)), log); err != nil {
		t.Errorf("a file of the largest size: %v", err)
	}
	if err := pair(good, private); err != nil {
		t.Error(err)
	}
	if err := roots(good); err != nil {
		t.Error(err)
	}
	for want, err := range map[string]error{
		"password: " + large + ": more than": secret(large),
		"password: open " + missing:          secret(missing),
		"password: read ":                    secret(t.TempDir()),
		"creds: stat " + missing:             CheckSecret("creds", missing, log),
		"ca: open " + missing:                roots(missing),
		"ca: " + none + ": no certificate":   roots(none),
		"cert: open " + missing:              pair(missing, private),
		"cert's key: open " + missing:        pair(good, missing),
		"cert: tls: private key does not":    pair(good, other),
		"cert: tls: failed to find":          pair(none, private),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := secret(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
