package cmsder

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

// lacks is the Lacks of both formats.
const lacks = "position, commitment and binding: moved, repeated, missing or re-keyed messages are not noticed; " +
	"nothing but the payload is authenticated"

// NewFormat returns CMS in DER as a format.
func NewFormat() exchange.Format {
	return exchange.Format{
		Name: "cms", Title: "CMS AuthEnvelopedData (RFC 5083), DER",
		Codec: codec{}, Derive: DeriveWrappingKey, Lacks: lacks, Binary: true,
	}
}

// NewPEMFormat returns CMS in PEM as a format. Both formats read both forms.
func NewPEMFormat() exchange.Format {
	return exchange.Format{
		Name: "cms-pem", Title: "CMS AuthEnvelopedData (RFC 5083), PEM",
		Codec: codec{pem: true}, Derive: DeriveWrappingKey, Lacks: lacks,
	}
}

// DeriveWrappingKey is the key derivation of dhSinglePass-stdDH-hkdf-sha256
// (RFC 8418, section 2.2). The Party is the user keying material.
func DeriveWrappingKey(a *keys.Agreement) ([]byte, error) {
	info, err := SharedInfo(a.Party)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, a.Secret, a.Party, string(info), keys.DEKSize)
}

// codec implements exchange.Codec.
type codec struct{ pem bool }

// Recognizes implements exchange.Codec.
func (codec) Recognizes(b []byte) bool { return LooksLikeMessage(b) }

// memory is the Memory of a Message of package exchange.
type memory struct {
	message Message
	der     []byte // of a message in PEM
	sealed  []byte
	parties []byte // ephemeral keys with their user keying material
}

// Parse implements exchange.Codec.
func (codec) Parse(m *exchange.Message, b []byte) (err error) {
	memo, is := m.Memory.(*memory)
	if !is {
		memo = new(memory)
		m.Memory = memo
	}
	if isPEM(b) {
		if memo.der, err = DecodePEM(memo.der[:0], b); err != nil {
			return err
		}
		b = memo.der
	}
	p := &memo.message
	if err := Parse(b, p); err != nil {
		return err
	}
	memo.sealed = append(append(memo.sealed[:0], p.Ciphertext...), p.Tag...)
	memo.parties = memo.parties[:0]
	m.Nonce, m.AAD, m.Sealed, m.Recipients = p.Nonce, nil, memo.sealed, m.Recipients[:0]
	for i := range p.Recipients {
		if w, ok := p.Recipients[i].toWrapped(memo); ok {
			m.Recipients = append(m.Recipients, w)
		}
	}
	return nil
}

// toWrapped returns a recipient in the form of package keys. ok is false if its
// algorithm is not ours.
func (r *Recipient) toWrapped(memo *memory) (w keys.Wrapped, ok bool) {
	if len(r.KeyID) == exchange.KIDSize {
		w.KID = r.KeyID
	}
	w.Ciphertext = r.EncryptedKey
	switch r.Algorithm {
	case KeyWrap:
		w.Alg = keys.AlgA256KW
	case OAEPSHA256:
		w.Alg = keys.AlgRSAOAEP256
	case OAEPSHA512:
		w.Alg = keys.AlgRSAOAEP512
	case X25519:
		w.Alg = keys.AlgECDHESA256KW
		at := len(memo.parties)
		memo.parties = append(append(memo.parties, r.Ephemeral...), r.UKM...)
		w.Ephemeral = memo.parties[at:len(memo.parties):len(memo.parties)]
	default:
		return w, false
	}
	return w, true
}

// NewTemplate implements exchange.Codec.
func (c codec) NewTemplate(recipients []keys.Wrapped) (exchange.Template, error) {
	list := make([]Recipient, len(recipients))
	for i := range recipients {
		w, r := &recipients[i], &list[i]
		r.KeyID, r.EncryptedKey = w.KID, w.Ciphertext
		switch w.Alg {
		case keys.AlgA256KW:
			r.Algorithm = KeyWrap
		case keys.AlgRSAOAEP256:
			r.Algorithm = OAEPSHA256
		case keys.AlgRSAOAEP512:
			r.Algorithm = OAEPSHA512
		case keys.AlgECDHESA256KW:
			r.Algorithm, r.Ephemeral = X25519, w.Ephemeral
		default:
			return nil, fmt.Errorf("%w: recipients of CMS are local keys, RSA keys and X25519 keys",
				exchange.ErrUnsupported)
		}
	}
	t, err := NewTemplate(list)
	if err != nil {
		return nil, err
	}
	return template{*t, c.pem}, nil
}

// template implements exchange.Template.
type template struct {
	Template
	pem bool
}

// AAD implements exchange.Template: without attributes there is none.
func (template) AAD() []byte { return nil }

// MaxSize implements exchange.Template.
func (t template) MaxSize(n int) int {
	if size := t.MessageSize(n); !t.pem {
		return size
	}
	return PEMSize(t.MessageSize(n))
}

// Append implements exchange.Template.
func (t template) Append(dst, nonce, sealed []byte) []byte {
	if !t.pem {
		return t.Template.Append(dst, nonce, sealed)
	}
	size := t.MessageSize(len(sealed) - TagSize)
	return AppendPEM(dst, t.Template.Append(make([]byte, 0, size), nonce, sealed))
}
