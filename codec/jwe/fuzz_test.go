package jwe

import (
	"bytes"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// FuzzParse: no input panics, a message that is taken is within all limits, and
// what was read before it changes nothing.
func FuzzParse(f *testing.F) {
	one := general(recipient(wrappedA, 40), "")
	two := general(recipient(wrappedA, 40)+","+recipient(`{"alg":"RSA-OAEP-256"}`, 256), "")
	for _, seed := range []string{
		compact(full), one, two, compact(epk(zeros(32))), compact(`{"alg":"dir","enc":"A256GCM"}`),
		general(recipient(wrappedA, 40), `"aad":"AAAA",`), `{"ciphertext":"","tag":""}`, "eyJ.", "{", "",
		compact(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM","apu":"AA","epk":{"kty":"OKP","crv":"X25519","x":"` + zeros(32) + `"}}`),
	} {
		f.Add([]byte(compact(full)), []byte(seed))
		f.Add([]byte(one), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, before, in []byte) {
		var m, fresh exchange.Message
		_ = codec{}.Parse(&m, before)
		after, alone := codec{}.Parse(&m, in), codec{}.Parse(&fresh, in)
		if (after == nil) != (alone == nil) {
			t.Fatalf("behind another message: %v, alone: %v", after, alone)
		}
		if (codec{}).Recognizes(in) == errors.Is(alone, exchange.ErrNotEnvelope) {
			t.Errorf("recognised otherwise than parsed: %v", alone)
		}
		if alone != nil {
			known := false
			for _, want := range []error{
				exchange.ErrNotEnvelope, exchange.ErrMalformed, exchange.ErrUnsupported, exchange.ErrTooLarge,
			} {
				known = known || errors.Is(alone, want)
			}
			if !known {
				t.Errorf("an error without a word: %v", alone)
			}
			return
		}
		if len(m.Nonce) != exchange.NonceSize || len(m.Sealed) < exchange.TagSize || len(m.Recipients) == 0 ||
			len(m.Recipients) > exchange.MaxRecipients {
			t.Errorf("%d recipients, a nonce of %d bytes, %d sealed", len(m.Recipients), len(m.Nonce), len(m.Sealed))
		}
		if !bytes.Equal(m.AAD, fresh.AAD) || !bytes.Equal(m.Nonce, fresh.Nonce) || !bytes.Equal(m.Sealed, fresh.Sealed) ||
			len(m.Recipients) != len(fresh.Recipients) {
			t.Error("the message before has changed the outcome")
		}
		for i, r := range m.Recipients {
			if r.KID != nil && len(r.KID) != exchange.KIDSize || !bytes.Equal(r.Ciphertext, fresh.Recipients[i].Ciphertext) ||
				!bytes.Equal(r.KID, fresh.Recipients[i].KID) || !bytes.Equal(r.Ephemeral, fresh.Recipients[i].Ephemeral) {
				t.Errorf("recipient %d", i)
			}
		}
	})
}
