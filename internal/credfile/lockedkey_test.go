package credfile

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"
)

// TestLockedPair: an encrypted key is read with its password, and every other
// case is told by what is wrong.
func TestLockedPair(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	cert, key := certificate(t)
	certPath, plain := store(t, "cert", 0o600, cert), store(t, "key", 0o600, key)
	block, _ := pem.Decode(key)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8.ConvertPrivateKeyToPKCS8(private.(*ecdsa.PrivateKey), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	locked := store(t, "locked", 0o600, pem.EncodeToMemory(&pem.Block{Type: pkcs8Type, Bytes: der}))
	old := store(t, "old", 0o600, []byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n"))
	right, wrong := store(t, "p", 0o600, []byte("secret\n")), store(t, "p", 0o600, []byte("wrong"))

	pair, err := ReadLockedPair("cert", certPath, locked, right, log)
	if err != nil || pair.PrivateKey == nil {
		t.Fatalf("got %v", err)
	}
	for want, err := range map[string]error{
		"the password does not fit":       second(ReadLockedPair("cert", certPath, locked, wrong, log)),
		"there is no encrypted key":       second(ReadLockedPair("cert", certPath, plain, right, log)),
		"the old form of OpenSSL":         second(ReadLockedPair("cert", certPath, old, right, log)),
		"key password: open":              second(ReadLockedPair("cert", certPath, locked, certPath+"no", log)),
		"cert's key: " + locked + ": the": second(ReadPair("cert", certPath, locked, log)),
		"cert's key: " + old + ": the":    second(ReadPair("cert", certPath, old, log)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if err := second(ReadPair("cert", certPath, locked, log)); !errors.Is(err, ErrLockedKey) {
		t.Errorf("got %v", err)
	}
}

func second(_ any, err error) error { return err }

// TestLockedByOpenSSL reads keys as OpenSSL 3.0 encrypts them: openssl pkcs8
// -topk8 -passout pass:secret made them of one key, with nothing else, with -v2
// aes-128-cbc, with -scrypt, and with -v2 des3.
func TestLockedByOpenSSL(t *testing.T) {
	password := store(t, "p", 0o600, []byte("secret"))
	for _, name := range []string{"default", "aes128", "scrypt", "des3"} {
		key := "testdata/openssl-" + name + ".pem"
		if _, err := ReadLockedPair("cert", "testdata/openssl-cert.pem", key, password, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
