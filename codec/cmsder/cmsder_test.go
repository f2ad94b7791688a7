package cmsder_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cmsder"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestRoundTrip: sizes around the borders at which a length of DER grows by a
// byte, for each kind of key and for several at once, in both forms.
func TestRoundTrip(t *testing.T) {
	l := newLab(t)
	recipients := [][]string{{"aes"}, {"rsa"}, {"rsa512"}, {"x25519"}, {"x25519", "rsa", "aes"}}
	for _, format := range []exchange.Format{cmsder.Format, cmsder.PEMFormat} {
		for _, names := range recipients {
			for _, size := range []int{0, 1, 16, 40, 58, 59, 127, 128, 160, 255, 256, 1 << 10, 65_400, 1 << 16, 1 << 20} {
				payload := bytes.Repeat([]byte{0x5c}, size)
				message := l.seal(t, format, payload, names...)
				if !format.Codec.Recognizes(message) {
					t.Errorf("%s for %v, %d bytes: not recognized", format.Name, names, size)
				}
				for _, name := range names {
					got, err := l.open(t, message, name)
					if err != nil || !bytes.Equal(got, payload) {
						t.Fatalf("%s for %v, opened with %s: %d bytes became %d: %v", format.Name, names, name, size, len(got), err)
					}
				}
			}
		}
	}
}

// TestEveryLengthOfHeads: each length of payload up to two bytes of length, so
// that each head grows alone somewhere.
func TestEveryLengthOfHeads(t *testing.T) {
	recipients := []cmsder.Recipient{
		{Algorithm: cmsder.KeyWrap, KeyID: []byte("12345678"), EncryptedKey: make([]byte, 40)},
	}
	template, err := cmsder.NewTemplate(recipients)
	if err != nil {
		t.Fatal(err)
	}
	sealed := make([]byte, 70_000)
	for n := range 700 {
		checkMessage(t, template, sealed[:n+cmsder.TagSize])
	}
	for n := 65_000; n < 65_600; n++ {
		checkMessage(t, template, sealed[:n+cmsder.TagSize])
	}
}

func checkMessage(t *testing.T, template *cmsder.Template, sealed []byte) {
	t.Helper()
	n := len(sealed) - cmsder.TagSize
	b := template.Append(nil, make([]byte, cmsder.NonceSize), sealed)
	var m cmsder.Message
	if err := cmsder.Parse(b, &m); err != nil || len(m.Ciphertext) != n || len(b) != template.MessageSize(n) {
		t.Fatalf("%d bytes became %d in a message of %d: %v", n, len(m.Ciphertext), len(b), err)
	}
}

// TestMemoryIsReused: a Message that read one form reads the next.
func TestMemoryIsReused(t *testing.T) {
	l := newLab(t)
	var m exchange.Message
	codec := cmsder.Format.Codec
	first := l.seal(t, cmsder.PEMFormat, bytes.Repeat([]byte("a"), 100), "rsa", "x25519")
	for _, message := range [][]byte{first, l.seal(t, cmsder.Format, []byte("short"), "aes")} {
		if err := codec.Parse(&m, message); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.Recipients) != 1 || len(m.Sealed) != len("short")+cmsder.TagSize || m.Recipients[0].Alg != keys.AlgA256KW {
		t.Errorf("%d recipients, %d bytes sealed", len(m.Recipients), len(m.Sealed))
	}
}

// TestChangedMessage: no change of any byte of a message leads to another
// payload, nor to a panic.
func TestChangedMessage(t *testing.T) {
	l := newLab(t)
	payload := []byte("a payload")
	message := l.seal(t, cmsder.Format, payload, "aes")
	for i := range message {
		for _, flip := range []byte{1, 0x80} {
			changed := bytes.Clone(message)
			changed[i] ^= flip
			if got, err := l.open(t, changed, "aes"); err == nil && !isKeyIdentifier(changed, l.aes.KID()) {
				t.Errorf("byte %d changed: opened %q", i, got)
			}
		}
	}
	for n := range message {
		_, err := l.open(t, message[:n], "aes")
		if want := exchange.ErrTruncated; n > 16 && !errors.Is(err, want) {
			t.Errorf("cut at %d: %v, want %v", n, err, want)
		}
		if err == nil {
			t.Errorf("cut at %d: opened", n)
		}
	}
}

// isKeyIdentifier tells whether a message does not have the identifier any
// more, which names the key and is not authenticated.
func isKeyIdentifier(message, kid []byte) bool { return !bytes.Contains(message, kid) }

// TestSharedInfo compares with the structure as RFC 5753 draws it, by hand.
func TestSharedInfo(t *testing.T) {
	for ukm, want := range map[string]string{
		"":     "3015" + "300b060960864801650304012d" + "a206040400000100",
		"\x07": "301a" + "300b060960864801650304012d" + "a003040107" + "a206040400000100",
	} {
		got, err := cmsder.SharedInfo([]byte(ukm))
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%q: %x, %v; want %s", ukm, got, err, want)
		}
	}
}

// TestTemplateRefuses recipients that CMS cannot name or that are not of its
// algorithms.
func TestTemplateRefuses(t *testing.T) {
	codec := cmsder.Format.Codec
	wrapped := keys.Wrapped{Alg: keys.AlgA256KW, KID: []byte("12345678"), Ciphertext: make([]byte, 40)}
	nameless, foreign := wrapped, wrapped
	nameless.KID, foreign.Alg = nil, keys.AlgAWSKMS
	for name, list := range map[string][]keys.Wrapped{
		"none": {}, "two of one name": {wrapped, wrapped}, "nameless": {nameless}, "of a key service": {foreign},
	} {
		if _, err := codec.NewTemplate(list); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
