package cmsder_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cmsder"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// lab has one key of each kind, and seals and opens with them as
// internal/convert does.
type lab struct {
	secret []byte // of the AES key
	rsaKey *rsa.PrivateKey
	aes    *local.AES
	rsa    *local.RSA
	x25519 *local.X25519
}

var makeLab = sync.OnceValues(func() (*lab, error) {
	l := &lab{secret: make([]byte, local.AESKeySize)}
	rand.Read(l.secret)
	var err error
	if l.rsaKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	agreed, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	var errs [3]error
	l.aes, errs[0] = local.NewAES(l.secret)
	l.rsa, errs[1] = local.NewRSA(l.rsaKey)
	l.x25519, errs[2] = local.NewX25519(agreed)
	return l, errors.Join(errs[:]...)
})

func newLab(t testing.TB) *lab {
	t.Helper()
	l, err := makeLab()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wrapAll wraps a data key for the keys that are named.
func (l *lab) wrapAll(t testing.TB, dek []byte, names ...string) []keys.Wrapped {
	t.Helper()
	var list []keys.Wrapped
	for _, name := range names {
		var w keys.Wrapped
		var err error
		switch name {
		case "aes":
			w, err = l.aes.Wrap(context.Background(), keys.Context{}, dek)
		case "rsa":
			w, err = l.rsa.Wrap(context.Background(), keys.Context{}, dek)
		case "rsa512":
			w, err = l.rsa.WithSHA512().Wrap(context.Background(), keys.Context{}, dek)
		case "x25519":
			w, err = l.x25519.WrapDerived(cmsder.DeriveWrappingKey, dek)
		default:
			t.Fatalf("no key %s", name)
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, w)
	}
	return list
}

// seal returns a message for the keys that are named.
func (l *lab) seal(t testing.TB, format exchange.Format, payload []byte, names ...string) []byte {
	t.Helper()
	dek, nonce := make([]byte, keys.DEKSize), make([]byte, cmsder.NonceSize)
	rand.Read(dek)
	rand.Read(nonce)
	template, err := format.Codec.NewTemplate(l.wrapAll(t, dek, names...))
	if err != nil {
		t.Fatal(err)
	}
	message := template.Append([]byte("before"), nonce, newGCM(t, dek).Seal(nil, nonce, payload, template.AAD()))
	if len(message)-len("before") != template.MaxSize(len(payload)) {
		t.Errorf("message of %d bytes has %d", template.MaxSize(len(payload)), len(message)-len("before"))
	}
	return message[len("before"):]
}

// open opens a message with one key, named by a recipient or tried on one that
// names none.
func (l *lab) open(t testing.TB, message []byte, name string) ([]byte, error) {
	t.Helper()
	var m exchange.Message
	if err := cmsder.Format.Codec.Parse(&m, message); err != nil {
		return nil, err
	}
	err := errors.New("no recipient for the key")
	for _, w := range m.Recipients {
		dek, unwrapErr := l.unwrap(w, name)
		if unwrapErr != nil {
			err = unwrapErr
			continue
		}
		return newGCM(t, dek).Open(nil, m.Nonce, m.Sealed, m.AAD)
	}
	return nil, err
}

func (l *lab) unwrap(w keys.Wrapped, name string) ([]byte, error) {
	key := map[string]interface{ KID() []byte }{"aes": l.aes, "rsa": l.rsa, "rsa512": l.rsa, "x25519": l.x25519}[name]
	if w.KID == nil {
		w.KID = key.KID()
	}
	switch name {
	case "aes":
		return l.aes.Unwrap(context.Background(), keys.Context{}, nil, &w)
	case "x25519":
		return l.x25519.UnwrapDerived(cmsder.DeriveWrappingKey, nil, &w)
	}
	return l.rsa.Unwrap(context.Background(), keys.Context{}, nil, &w)
}

func newGCM(t testing.TB, dek []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(dek)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm
}
