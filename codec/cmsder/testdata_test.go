package cmsder_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// readLab returns the keys of testdata.
func readLab(t *testing.T) *lab {
	t.Helper()
	l := new(lab)
	var errs [3]error
	l.aes, errs[0] = local.ParseAES(readFile(t, "local.key"))
	l.rsa, errs[1] = local.ParseRSA(readFile(t, "rsa.key"))
	l.x25519, errs[2] = local.ParseX25519(readFile(t, "x25519.key"))
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return l
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOtherPrograms opens messages of other programs, each with all keys that
// it is for.
func TestOtherPrograms(t *testing.T) {
	l := readLab(t)
	payload := string(readFile(t, "payload.txt"))
	for name, with := range map[string][]string{
		"openssl-aes.der":          {"aes"},
		"openssl-aes.pem":          {"aes"},
		"openssl-aes-other-id.der": {"aes"},
		"openssl-rsa-issuer.der":   {"rsa"},
		"openssl-rsa-keyid.der":    {"rsa"},
		"openssl-rsa-sha512.der":   {"rsa"},
		"openssl-both.der":         {"aes", "rsa"},
		"bouncycastle-aes.der":     {"aes"},
		"bouncycastle-rsa.der":     {"rsa"},
		"bouncycastle-x25519.der":  {"x25519"},
	} {
		message := readFile(t, name)
		for _, key := range with {
			if got, err := l.open(t, message, key); err != nil || string(got) != payload {
				t.Errorf("%s with %s: %q, %v", name, key, got, err)
			}
		}
	}
}

// TestOtherProgramsRefused: messages that the same programs make without the
// right options.
func TestOtherProgramsRefused(t *testing.T) {
	l := readLab(t)
	for name, want := range map[string]struct {
		err    error
		detail string
	}{
		"refused-openssl-stream.ber": {exchange.ErrMalformed, "indefinite length"},
		"refused-openssl-cbc.der":    {exchange.ErrUnsupported, "EnvelopedData"},
		"refused-openssl-aes128.der": {exchange.ErrUnsupported, "no recipient with AES-256 key wrap"},
		"refused-openssl-sha1.der":   {exchange.ErrUnsupported, "no recipient with"},
		"refused-openssl-pkcs1.der":  {exchange.ErrUnsupported, "no recipient with"},
	} {
		_, err := l.open(t, readFile(t, name), "aes")
		if !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.detail) {
			t.Errorf("%s: %v, want %v with %q", name, err, want.err, want.detail)
		}
	}
}
