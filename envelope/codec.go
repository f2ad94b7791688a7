package envelope

import (
	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// codec is the layout of key records, recipients and signatures, as kekcache
// asks for it.
type codec struct{}

var _ kekcache.Codec = codec{}

// SealRecord implements kekcache.Codec (docs/envelope.md, section 8).
func (codec) SealRecord(key *kekcache.Key, s *chunker.Sealer, context string) ([]byte, error) {
	return sealRecord(key, s, context, KeyRecord, key.From, nil)
}

// sealRecord returns a key record or a dictionary record.
func sealRecord(
	key *kekcache.Key, s *chunker.Sealer, context string, kind Kind, created uint32, payload []byte,
) ([]byte, error) {
	t := cms.NewTemplate(cms.Layout{Commitment: key.Commitment[:], Signature: key.Signature})
	t.SetPosition(&cms.Position{Created: created})
	aad := cms.NewAAD([]byte(context))
	aad.SetHeader(false, t.Protected())
	record, err := s.Seal(append([]byte(nil), t.Bytes()...),
		cms.AppendBytesHead(append([]byte(nil), t.AfterIV()...), len(payload)+chunker.TagSize), payload,
		aad.Bytes(&cms.Binding{Kind: kind}, 0, true))
	if err != nil {
		return nil, err
	}
	return cms.AppendRecipients(record, toRecipients(key.Recipients))
}

// SplitRecord implements kekcache.Codec.
func (codec) SplitRecord(record []byte) (kekcache.Sealed, error) {
	var e cms.Envelope
	if err := cms.ParseRecord(record, KeyRecord, &e); err != nil {
		return kekcache.Sealed{}, err
	}
	return sealedOf(&e.Header, e.Recipients), nil
}

// SplitDictionary implements kekcache.Codec.
func (codec) SplitDictionary(record []byte) (kekcache.Sealed, error) {
	var e cms.Envelope
	if err := cms.ParseRecord(record, DictionaryRecord, &e); err != nil {
		return kekcache.Sealed{}, err
	}
	return sealedOf(&e.Header, e.Recipients), nil
}

// sealedOf says of a self-contained envelope what kekcache asks for.
func sealedOf(h *cms.Header, recipients []byte) kekcache.Sealed {
	return kekcache.Sealed{
		Commitment: h.Commitment, Signature: h.Signature, Recipients: recipients, Created: h.Position.Created,
	}
}

// ParseRecipients implements kekcache.Codec (docs/envelope.md, section 4).
func (codec) ParseRecipients(encoded []byte) (known []keys.Wrapped, all int, err error) {
	recipients, err := cms.ParseRecipients(encoded, nil)
	if err != nil {
		return nil, 0, err
	}
	return toWrapped(recipients), cms.CountRecipients(encoded), nil
}

// AppendRecipients implements kekcache.Codec.
func (codec) AppendRecipients(dst []byte, recipients []keys.Wrapped) ([]byte, error) {
	return cms.AppendRecipients(dst, toRecipients(recipients))
}

// EncodeSignature implements kekcache.Codec (docs/envelope.md, section 17).
func (codec) EncodeSignature(s *kekcache.Signature) []byte {
	return cms.AppendSignature(nil, (*cms.Signature)(s))
}

// ReadSignature implements kekcache.Codec.
func (codec) ReadSignature(encoded []byte) kekcache.Signature {
	return kekcache.Signature(cms.ReadSignature(encoded))
}

// AppendSignedMessage implements kekcache.Codec.
func (codec) AppendSignedMessage(dst, commitment []byte, context string, from, until uint32) []byte {
	return cms.AppendSealerInput(dst, commitment, context, from, until)
}

func toRecipients(wrapped []keys.Wrapped) []cms.Recipient {
	recipients := make([]cms.Recipient, len(wrapped))
	for i, w := range wrapped {
		recipients[i] = cms.Recipient(w)
	}
	return recipients
}

func toWrapped(recipients []cms.Recipient) []keys.Wrapped {
	wrapped := make([]keys.Wrapped, len(recipients))
	for i, r := range recipients {
		wrapped[i] = keys.Wrapped(r)
	}
	return wrapped
}
