package envelope

import (
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// Recipients reads and writes what rewrapping replaces (docs/envelope.md, sections 4 and 8).
type Recipients struct{}

var _ kekcache.RecipientCodec = Recipients{}

// Parse implements kekcache.RecipientCodec.
func (Recipients) Parse(encoded []byte) (known []keys.Wrapped, all int, err error) {
	recipients, err := cms.ParseRecipients(encoded, nil)
	if err != nil {
		return nil, 0, err
	}
	return toWrapped(recipients), cms.CountRecipients(encoded), nil
}

// Append implements kekcache.RecipientCodec.
func (Recipients) Append(dst []byte, recipients []keys.Wrapped) ([]byte, error) {
	return cms.AppendRecipients(dst, toRecipients(recipients))
}

// Split implements kekcache.RecipientCodec.
func (Recipients) Split(record []byte) (commitment, encoded []byte, err error) {
	var e cms.Envelope
	if err := parseRecord(record, &e); err != nil {
		return nil, nil, err
	}
	return e.Commitment, e.Recipients, nil
}

// Join implements kekcache.RecipientCodec.
func (Recipients) Join(record, encoded []byte) ([]byte, error) {
	var e cms.Envelope
	if err := parseRecord(record, &e); err != nil {
		return nil, err
	}
	return cms.AppendSpliced(make([]byte, 0, len(record)+len(encoded)), record, e.Recipients, encoded), nil
}
