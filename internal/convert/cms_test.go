package convert_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cmsder"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/codec/jwe"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/convert"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// TestCMS: both forms, for each kind of key, by an opener that also takes JWE.
func TestCMS(t *testing.T) {
	all := recipients(t)
	formats := []exchange.Format{jwe.Format, cmsder.Format}
	for _, format := range []exchange.Format{cmsder.Format, cmsder.PEMFormat} {
		wrappers := []keys.Wrapper{all["aes"].wrap, all["rsa"].wrap, all["x25519"].wrap}
		sealer := must[*convert.Sealer](t)(convert.NewSealer(wrappers, convert.SealerOptions{Format: format}))
		defer sealer.Close()
		seal := sealer.NewWorker()
		for name, r := range all {
			o := convert.OpenerOptions{Formats: formats}
			open := must[*convert.Opener](t)(convert.NewOpener([]keys.Unwrapper{r.unwrap}, o)).NewWorker()
			for range 2 {
				sealed := must[[]byte](t)(seal.Seal(t.Context(), nil, []byte("payload")))
				got, err := open.Open(t.Context(), "place", nil, sealed)
				if err != nil || string(got) != "payload" || len(sealed) > seal.MaxSize(len(got)) {
					t.Errorf("%s with %s: %q, %v", format.Name, name, got, err)
				}
			}
		}
	}
}

// TestCMSOfOthers opens messages of openssl and BouncyCastle, also those that
// name a certificate or an identifier of their own.
func TestCMSOfOthers(t *testing.T) {
	dir := filepath.Join("..", "..", "codec", "cmsder", "testdata")
	read := func(name string) []byte { return must[[]byte](t)(os.ReadFile(filepath.Join(dir, name))) }
	unwrappers := map[string]keys.Unwrapper{
		"aes":    must[*local.AES](t)(local.ParseAES(read("local.key"))),
		"rsa":    must[*local.RSA](t)(local.ParseRSA(read("rsa.key"))),
		"x25519": must[*local.X25519](t)(local.ParseX25519(read("x25519.key"))),
	}
	for name, key := range map[string]string{
		"openssl-aes.der": "aes", "openssl-aes.pem": "aes", "openssl-aes-other-id.der": "aes",
		"openssl-rsa-issuer.der": "rsa", "openssl-rsa-keyid.der": "rsa", "openssl-rsa-sha512.der": "rsa",
		"openssl-both.der": "rsa", "bouncycastle-aes.der": "aes", "bouncycastle-rsa.der": "rsa",
		"bouncycastle-x25519.der": "x25519",
	} {
		others := recipients(t)
		o := convert.OpenerOptions{Formats: []exchange.Format{cmsder.Format}}
		open := func(keks ...keys.Unwrapper) ([]byte, error) {
			return must[*convert.Opener](t)(convert.NewOpener(keks, o)).NewWorker().Open(t.Context(), "place", nil, read(name))
		}
		got, err := open(others[key].unwrap, unwrappers[key])
		if err != nil || !bytes.Equal(got, read("payload.txt")) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		_, err = open(others["aes"].unwrap, others["rsa"].unwrap, others["x25519"].unwrap)
		if refused, ok := errors.AsType[*envelope.Error](err); !ok || refused.Reason != envelope.ReasonUnknownKey {
			t.Errorf("%s with other keys: %v", name, err)
		}
	}
}

// TestCMSRefusals: each has its word.
func TestCMSRefusals(t *testing.T) {
	aes := recipients(t)["aes"]
	sealer := must[*convert.Sealer](t)(convert.NewSealer([]keys.Wrapper{aes.wrap}, convert.SealerOptions{Format: cmsder.Format}))
	t.Cleanup(func() { _ = sealer.Close() })
	sealed := must[[]byte](t)(sealer.NewWorker().Seal(t.Context(), nil, []byte("payload")))
	tampered := bytes.Clone(sealed)
	tampered[len(tampered)-1] ^= 1
	for want, in := range map[envelope.Reason][]byte{
		envelope.ReasonTampered:    tampered,
		envelope.ReasonTruncated:   sealed[:len(sealed)-1],
		envelope.ReasonMalformed:   append(bytes.Clone(sealed), 0),
		envelope.ReasonNotEnvelope: []byte("payload"),
		envelope.ReasonUnsupported: append([]byte("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"), 3),
	} {
		o := convert.OpenerOptions{Formats: []exchange.Format{cmsder.Format}}
		open := must[*convert.Opener](t)(convert.NewOpener([]keys.Unwrapper{aes.unwrap}, o)).NewWorker()
		got, err := open.Open(t.Context(), "place", []byte("x"), in)
		if refused, ok := errors.AsType[*envelope.Error](err); !ok || refused.Reason != want || string(got) != "x" {
			t.Errorf("%s: %q, %v", want, got, err)
		}
	}
}
