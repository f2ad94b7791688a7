package envelope

import (
	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// codec is the layout of key records and recipients, as kekcache asks for it.
type codec struct{}

var _ kekcache.Codec = codec{}

// SealRecord implements kekcache.Codec (docs/envelope.md, section 8).
func (codec) SealRecord(key *kekcache.Key, s *chunker.Sealer, context string, created uint32) ([]byte, error) {
	t := cms.NewTemplate(false, false, key.Commitment[:])
	t.Set(&cms.Position{Created: created}, nil, 0)
	aad := cms.NewAAD([]byte(context))
	aad.SetHeader(false, t.Protected())
	record, err := s.Seal(append([]byte(nil), t.Bytes()...), cms.AppendBytesHead(nil, chunker.TagSize), nil,
		aad.Bytes(&cms.Binding{Kind: cms.KeyRecord}, 0, true))
	if err != nil {
		return nil, err
	}
	return cms.AppendRecipients(record, toRecipients(key.Recipients))
}

// SplitRecord implements kekcache.Codec.
func (codec) SplitRecord(record []byte) (commitment, recipients []byte, err error) {
	var e cms.Envelope
	if err := cms.ParseKeyRecord(record, &e); err != nil {
		return nil, nil, err
	}
	return e.Commitment, e.Recipients, nil
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
