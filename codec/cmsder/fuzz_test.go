package cmsder

import (
	"bytes"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// FuzzParse: a message that is accepted, and that this package could have
// written, is written as it came. So there is one encoding.
func FuzzParse(f *testing.F) {
	for i := range strictCases {
		d := newDraft()
		strictCases[i].change(d)
		f.Add(d.encode(&testing.T{}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		if err := Parse(b, &m); err != nil {
			return
		}
		if !LooksLikeMessage(b) || len(m.Nonce) != NonceSize || len(m.Tag) != TagSize || len(m.Recipients) > MaxRecipients {
			t.Fatalf("%+v", m)
		}
		if !isOurs(&m) || bytes.Contains(b, []byte("\x05\x00")) { // the parameters of a hash may be NULL
			return
		}
		template, err := NewTemplate(m.Recipients)
		if err != nil {
			t.Fatal(err)
		}
		again := template.Append(nil, m.Nonce, slices.Concat(m.Ciphertext, m.Tag))
		if !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

// isOurs tells whether a message has only recipients that this package writes.
// It writes a key agreement for each recipient of X25519.
func isOurs(m *Message) bool {
	agreed := 0
	for i := range m.Recipients {
		r := &m.Recipients[i]
		if r.Algorithm == Other || r.Certificate != nil {
			return false
		}
		if r.Algorithm == X25519 {
			agreed++
		}
	}
	return agreed < 2
}

// FuzzCodec reads both forms as the rest of the program does, with a memory
// that has read something else before.
func FuzzCodec(f *testing.F) {
	for i := range strictCases {
		d := newDraft()
		strictCases[i].change(d)
		f.Add(AppendPEM(nil, d.encode(&testing.T{})))
	}
	codec := NewFormat().Codec
	var m exchange.Message
	f.Fuzz(func(t *testing.T, b []byte) {
		err := codec.Parse(&m, b)
		if err == nil && (!codec.Recognizes(b) || len(m.Recipients) == 0 || len(m.Sealed) < TagSize) {
			t.Fatalf("%+v", m)
		}
		for _, w := range m.Recipients {
			if err == nil && (w.Ciphertext == nil || w.KID != nil && len(w.KID) != exchange.KIDSize) {
				t.Fatalf("%+v", w)
			}
		}
	})
}
