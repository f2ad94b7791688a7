package jwe

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

var (
	errHeaderSize = fmt.Errorf("%w: JWE: a header of more than %d bytes", exchange.ErrTooLarge, maxHeader)
	errRecipients = fmt.Errorf("%w: JWE: more than %d recipients", exchange.ErrTooLarge, exchange.MaxRecipients)
)

// template implements exchange.Template. Between its pieces stand the IV, the
// ciphertext and the tag.
type template struct {
	aad                      []byte
	front, middle, back, end string
}

// NewTemplate implements exchange.Codec: one recipient makes the compact form,
// several the general one.
func (codec) NewTemplate(recipients []keys.Wrapped) (exchange.Template, error) {
	switch {
	case len(recipients) == 0:
		return nil, errors.New("jwe: no recipient")
	case len(recipients) > exchange.MaxRecipients:
		return nil, errRecipients
	case len(recipients) == 1:
		return newCompact(&recipients[0])
	}
	return newGeneral(recipients)
}

// newCompact returns the template of the compact form. All of its header is
// protected.
func newCompact(w *keys.Wrapped) (*template, error) {
	text, err := appendParameters([]byte(`{`), w)
	if err != nil {
		return nil, err
	}
	aad := encoding.AppendEncode(nil, append(text, `,"enc":"`+encA256GCM+`"}`...))
	front := encoding.AppendEncode(append(append([]byte(nil), aad...), '.'), w.Ciphertext)
	return &template{aad: aad, front: string(front) + ".", middle: ".", back: "."}, nil
}

// newGeneral returns the template of the general form. The header of each
// recipient is its own, and not protected.
func newGeneral(recipients []keys.Wrapped) (*template, error) {
	aad := encoding.AppendEncode(nil, []byte(`{"enc":"`+encA256GCM+`"}`))
	front := append(append([]byte(`{"protected":"`), aad...), `","recipients":[`...)
	for i := range recipients {
		if i > 0 {
			front = append(front, ',')
		}
		var err error
		if front, err = appendParameters(append(front, `{"header":{`...), &recipients[i]); err != nil {
			return nil, err
		}
		front = encoding.AppendEncode(append(front, `},"encrypted_key":"`...), recipients[i].Ciphertext)
		front = append(front, `"}`...)
	}
	front = append(front, `],`+frontEnd...)
	return &template{aad: aad, front: string(front), middle: middle, back: beforeTag, end: end}, nil
}

// appendParameters appends the header parameters of a recipient, without the
// braces. An id of a local key is its kid in hex, as in the JWK of a local key.
func appendParameters(dst []byte, w *keys.Wrapped) ([]byte, error) {
	name := ""
	for alg, number := range algs {
		if number == w.Alg {
			name = alg
		}
	}
	if name == "" {
		return nil, fmt.Errorf("jwe: no recipient of the algorithm %d", w.Alg)
	}
	dst = append(dst, `"alg":"`+name+`","kid":"`...)
	dst = append(hex.AppendEncode(dst, w.KID), '"')
	if w.Alg == keys.AlgECDHESA256KW {
		dst = append(dst, `,"epk":{"kty":"OKP","crv":"X25519","x":"`...)
		dst = append(encoding.AppendEncode(dst, w.Ephemeral), `"}`...)
	}
	return dst, nil
}

// AAD implements exchange.Template.
func (t *template) AAD() []byte { return t.aad }

// MaxSize implements exchange.Template.
func (t *template) MaxSize(n int) int {
	return len(t.front) + ivChars + len(t.middle) + encoding.EncodedLen(n) + len(t.back) + tagChars + len(t.end)
}

// Append implements exchange.Template.
func (t *template) Append(dst, nonce, sealed []byte) []byte {
	ciphertext, tag := sealed[:len(sealed)-exchange.TagSize], sealed[len(sealed)-exchange.TagSize:]
	dst = encoding.AppendEncode(append(dst, t.front...), nonce)
	dst = encoding.AppendEncode(append(dst, t.middle...), ciphertext)
	dst = encoding.AppendEncode(append(dst, t.back...), tag)
	return append(dst, t.end...)
}
