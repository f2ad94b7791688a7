package envelope

import (
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// Records writes and reads key records (docs/envelope.md, section 8): self-contained envelopes of nothing, which say
// how a DEK is wrapped.
type Records struct {
	Context []byte // the route's name
}

var _ kekcache.Records = Records{}

// Encode returns the record of key, sealed by s, which must hold a lease of key.
func (r Records) Encode(key *kekcache.Key, s *chunker.Sealer, created uint32) ([]byte, error) {
	t := cms.NewTemplate(false, false, key.Commitment[:])
	t.Set(&Position{Created: created}, nil, 0)
	aad := cms.NewAAD(r.Context)
	aad.SetHeader(false, t.Protected())
	record, err := s.Seal(append([]byte(nil), t.Bytes()...), cms.AppendBytesHead(nil, chunker.TagSize), nil,
		aad.Bytes(&Binding{Kind: KeyRecord}, 0, true))
	if err != nil {
		return nil, err
	}
	return cms.AppendRecipients(record, toRecipients(key.Recipients))
}

// Decode returns what a record says. The key's commitment is what makes it trustworthy, not the record's tag: that can
// only be checked with the key.
func (r Records) Decode(record []byte) (commitment [chunker.CommitmentSize]byte, wrapped []keys.Wrapped, err error) {
	var e cms.Envelope
	if err := parseRecord(record, &e); err != nil {
		return commitment, nil, err
	}
	recipients, err := cms.ParseRecipients(e.Recipients, nil)
	return [chunker.CommitmentSize]byte(e.Commitment), toWrapped(recipients), err
}

// parseRecord reads a key record but for its recipients.
func parseRecord(record []byte, e *cms.Envelope) error {
	if err := cms.Parse(record, e); err != nil {
		return err
	}
	if e.ByReference || e.Chunked || len(e.Ciphertext) != chunker.TagSize {
		return fmt.Errorf("%w: not a key record", cms.ErrMalformed)
	}
	return nil
}
