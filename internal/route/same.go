package route

import (
	"bytes"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// newSameMessage returns a function for endpoint.Session.IsSameMessage. Two
// envelopes of one message differ in every random byte; they are alike in the
// position of the message, as far as they say. A message that is passed on
// without an envelope is the same if its bytes are. Messages of another format
// say nothing of their place: two that one id names are taken for the same.
func newSameMessage(textHeaders bool, other *exchange.Format) func(stored, written *pipeline.Message) bool {
	find := findSealed(textHeaders)
	return func(stored, written *pipeline.Message) bool {
		if (stored.Value == nil) != (written.Value == nil) {
			return false
		}
		if other != nil && other.Codec.Recognizes(written.Value) {
			return other.Codec.Recognizes(stored.Value)
		}
		want, sealed := claimedPlace(find, written)
		if !sealed {
			return bytes.Equal(stored.Value, written.Value)
		}
		got, ok := claimedPlace(find, stored)
		return ok && got == want
	}
}

// claimedPlace returns the position that the envelope of a message claims,
// without the parts in which two runs may differ: when it was sealed, and how
// far away the message before it was.
func claimedPlace(find func(*pipeline.Message) ([]byte, error), m *pipeline.Message) (envelope.Position, bool) {
	e, err := find(m)
	if err != nil {
		return envelope.Position{}, false
	}
	p, ok := envelope.ClaimedPosition(e)
	p.Created, p.Distance = 0, 0
	return p, ok
}
