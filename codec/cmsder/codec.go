package cmsder

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

// lacks is the Lacks of both formats.
const lacks = "its place in the source, the time of sealing, headers, subject, context, a commitment to the key, " +
	"a signature and tombstones"

// Format is CMS in DER.
var Format = exchange.Format{
	Name:   "cms",
	Title:  "CMS (RFC 5083)",
	Codec:  codec{},
	Derive: DeriveWrappingKey,
	Lacks:  lacks,
	Binary: true,
}

// PEMFormat is CMS in PEM. Both formats read both forms.
var PEMFormat = exchange.Format{
	Name:   "cms-pem",
	Title:  "CMS (RFC 5083) in PEM",
	Codec:  codec{pem: true},
	Derive: DeriveWrappingKey,
	Lacks:  lacks,
	Grows:  "they are a third larger than in DER",
	Binary: true, // it has several lines
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
	// The recipients of the message before, and their forms.
	last    Template
	wrapped []keys.Wrapped
	kept    []byte // the bytes of wrapped
}

// useMemory returns the memory of m.
func useMemory(m *exchange.Message) *memory {
	memo, is := m.Memory.(*memory)
	if !is {
		memo = new(memory)
		m.Memory = memo
	}
	return memo
}

// Parse implements exchange.Codec.
func (codec) Parse(m *exchange.Message, b []byte) (err error) {
	if !LooksLikeMessage(b) {
		return exchange.ErrNotEnvelope
	}
	memo := useMemory(m)
	if isPEM(b) {
		if memo.der, err = DecodePEM(memo.der[:0], b); err != nil {
			return err
		}
		b = memo.der
	}
	p := &memo.message
	if len(memo.wrapped) == 0 || !memo.last.splitAlike(b, p) {
		if err := memo.parseNew(b); err != nil {
			return err
		}
	}
	memo.sealed = append(append(memo.sealed[:0], p.Ciphertext...), p.Tag...)
	m.Nonce, m.AAD, m.Sealed, m.Recipients = p.Nonce, nil, memo.sealed, memo.wrapped
	return nil
}

// parseNew parses a message with other recipients than those of the message
// before, and keeps them.
func (k *memory) parseNew(b []byte) error {
	k.wrapped, k.kept = k.wrapped[:0], k.kept[:0]
	if err := Parse(b, &k.message); err != nil {
		return err
	}
	k.last.recipients = append(k.last.recipients[:0], k.message.front...)
	for i := range k.message.Recipients {
		if w, ok := k.message.Recipients[i].toWrapped(k); ok {
			k.wrapped = append(k.wrapped, w)
		}
	}
	return nil
}

// keep returns a copy of the parts, joined, which is valid until the recipients
// change.
func (k *memory) keep(parts ...[]byte) []byte {
	at := len(k.kept)
	for _, part := range parts {
		k.kept = append(k.kept, part...)
	}
	return k.kept[at:len(k.kept):len(k.kept)]
}

// toWrapped returns a recipient in the form of package keys. ok is false if its
// algorithm is not ours.
func (r *Recipient) toWrapped(memo *memory) (w keys.Wrapped, ok bool) {
	if len(r.KeyID) == exchange.KIDSize {
		w.KID = memo.keep(r.KeyID)
	}
	w.Ciphertext = memo.keep(r.EncryptedKey)
	switch r.Algorithm {
	case KeyWrap:
		w.Alg = keys.AlgA256KW
	case OAEPSHA256:
		w.Alg = keys.AlgRSAOAEP256
	case OAEPSHA512:
		w.Alg = keys.AlgRSAOAEP512
	case X25519:
		w.Alg = keys.AlgECDHESA256KW
		w.Ephemeral = memo.keep(r.Ephemeral, r.UKM)
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
