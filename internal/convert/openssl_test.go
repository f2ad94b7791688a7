package convert_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cmsder"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/internal/convert"
	"github.com/streamcrypt/streamcrypt/keys"
)

// openssl is the command of OpenSSL 3 in a directory of its own.
type openssl struct{ dir string }

func newOpenSSL(t *testing.T) openssl {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), "openssl", "version").Output()
	if err != nil || !strings.HasPrefix(string(version), "OpenSSL 3") {
		t.Skipf("no OpenSSL 3 (%q, %v): testdata has messages of it, and nothing opens ours", version, err)
	}
	return openssl{t.TempDir()}
}

func (o openssl) write(t *testing.T, name string, content []byte) {
	t.Helper()
	write(t, filepath.Join(o.dir, name), content)
}

// run returns the standard output.
func (o openssl) run(t *testing.T, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), "openssl", args...)
	command.Dir = o.dir
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, &stderr)
	}
	return out
}

// TestOpenSSL: openssl opens our messages, for an AES key and an RSA key, alone
// and together, and we open messages of openssl.
func TestOpenSSL(t *testing.T) {
	o, all := newOpenSSL(t), recipients(t)
	aes, rsaKey := all["aes"], all["rsa"]
	der, err := x509.MarshalPKCS8PrivateKey(rsaKey.private.(*rsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	o.write(t, "rsa.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	o.run(t, "req", "-x509", "-new", "-key", "rsa.pem", "-subj", "/CN=records", "-out", "rsa.crt")
	payload := bytes.Repeat([]byte("a payload "), 1000)
	o.write(t, "payload", payload)
	secret := hex.EncodeToString(aes.private.([]byte))
	_, kid, _ := strings.Cut(aes.wrap.Name(), ":")

	for name, wrappers := range map[string][]keys.Wrapper{
		"aes": {aes.wrap}, "rsa": {rsaKey.wrap}, "aes and rsa": {rsaKey.wrap, aes.wrap},
		"all": {all["x25519"].wrap, rsaKey.wrap, aes.wrap},
	} {
		for form, format := range map[string]exchange.Format{"DER": cmsder.Format, "PEM": cmsder.PEMFormat} {
			sealer := must[*convert.Sealer](t)(convert.NewSealer(wrappers, convert.SealerOptions{Format: format}))
			o.write(t, "message", must[[]byte](t)(sealer.NewWorker().Seal(t.Context(), nil, payload)))
			decrypt := []string{"cms", "-decrypt", "-binary", "-inform", form, "-in", "message"}
			if name != "rsa" {
				got := o.run(t, append(decrypt, "-secretkey", secret, "-secretkeyid", kid)...)
				if !bytes.Equal(got, payload) {
					t.Errorf("%s, %s: %d bytes with the AES key", name, form, len(got))
				}
			}
			if name != "aes" {
				if got := o.run(t, append(decrypt, "-inkey", "rsa.pem")...); !bytes.Equal(got, payload) {
					t.Errorf("%s, %s: %d bytes with the RSA key", name, form, len(got))
				}
			}
			_ = sealer.Close()
		}
	}

	opener := must[*convert.Opener](t)(convert.NewOpener([]keys.Unwrapper{aes.unwrap, rsaKey.unwrap},
		convert.OpenerOptions{Formats: []exchange.Format{cmsder.Format}})).NewWorker()
	oaep := []string{"-recip", "rsa.crt", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"}
	for name, args := range map[string][]string{
		"aes":         {"-secretkey", secret, "-secretkeyid", kid},
		"another id":  {"-secretkey", secret, "-secretkeyid", "0102"},
		"certificate": oaep,
		"key id":      append([]string{"-keyid"}, oaep...),
		"both":        append([]string{"-secretkey", secret, "-secretkeyid", kid}, oaep...),
	} {
		for _, form := range []string{"DER", "PEM"} {
			encrypt := []string{"cms", "-encrypt", "-binary", "-in", "payload", "-aes-256-gcm", "-outform", form}
			got, err := opener.Open(t.Context(), "place", nil, o.run(t, append(encrypt, args...)...))
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%s, %s: %d bytes, %v", name, form, len(got), err)
			}
		}
	}
}
