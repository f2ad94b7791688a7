package cmsder

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// FuzzParse: a message that is accepted, and that this package could have
// written, is written as it came, so there is one encoding. The fast way accepts
// the same messages.
func FuzzParse(f *testing.F) {
	for i := range strictCases {
		d := newDraft()
		strictCases[i].change(d)
		f.Add(d.encode(&testing.T{}))
	}
	known, err := NewTemplate([]Recipient{{Algorithm: KeyWrap, KeyID: []byte("12345678"), EncryptedKey: make([]byte, 40)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, alike Message
		err := Parse(b, &m)
		if known.splitAlike(b, &alike) && err != nil {
			t.Fatalf("the fast way accepts it: %v", err)
		}
		if err != nil {
			return
		}
		if last := (&Template{recipients: m.front}); !last.splitAlike(b, &alike) || !areAlike(&m, &alike) {
			t.Fatalf("%+v; the fast way: %+v", m, alike)
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

func areAlike(m, alike *Message) bool {
	return bytes.Equal(m.Nonce, alike.Nonce) && bytes.Equal(m.Ciphertext, alike.Ciphertext) &&
		bytes.Equal(m.Tag, alike.Tag)
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
// that has read something else before: that changes nothing.
func FuzzCodec(f *testing.F) {
	for i := range strictCases {
		d := newDraft()
		strictCases[i].change(d)
		b := d.encode(&testing.T{})
		f.Add(b)
		f.Add(AppendPEM(nil, b))
	}
	codec := Format.Codec
	var used exchange.Message
	f.Fuzz(func(t *testing.T, b []byte) {
		var m exchange.Message
		err := codec.Parse(&m, b)
		again := codec.Parse(&used, b)
		if (err == nil) != (again == nil) {
			t.Fatalf("%v; with a memory %v", err, again)
		}
		if err != nil {
			return
		}
		if !codec.Recognizes(b) || len(m.Recipients) == 0 || len(m.Sealed) < TagSize {
			t.Fatalf("%+v", m)
		}
		for range 2 { // the second time it has read the same before
			if !bytes.Equal(m.Sealed, used.Sealed) || !bytes.Equal(m.Nonce, used.Nonce) ||
				!reflect.DeepEqual(m.Recipients, used.Recipients) {
				t.Fatalf("%+v; with a memory %+v", m, used)
			}
			if err := codec.Parse(&used, b); err != nil {
				t.Fatal(err)
			}
		}
	})
}
