// Package convert seals and opens messages in the formats of other tools
// (package codec/exchange), such as JWE.
//
//	Sealer  a data key for each window: it is the content key of the messages
//	Opener  knows the formats that are allowed, unwraps each content key once
//
//	keys.go    local keys as recipients of a format
//	sealer.go  Sealer and its workers
//	opener.go  Opener and its workers
//
// Such a message has no position, commitment, context or bound headers, so
// nothing here tells a Gate anything. Refusals are *envelope.Error, in the same
// closed list of words as those of envelopes.
//
// The package must not know any format, nor where messages come from. It starts
// no goroutine but those inside Sealer.Run.
package convert

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// reasons are the words of errors of the packages below.
var reasons = [...]struct {
	err    error
	reason envelope.Reason
}{
	{exchange.ErrNotEnvelope, envelope.ReasonNotEnvelope},
	{exchange.ErrTruncated, envelope.ReasonTruncated},
	{exchange.ErrMalformed, envelope.ReasonMalformed},
	{exchange.ErrUnsupported, envelope.ReasonUnsupported},
	{exchange.ErrTooLarge, envelope.ReasonTooLarge},
	{kekcache.ErrUnknownKey, envelope.ReasonUnknownKey},
	{kekcache.ErrUntrusted, envelope.ReasonUntrusted},
	{kekcache.ErrWindow, envelope.ReasonTooLarge},
	{chunker.ErrTampered, envelope.ReasonTampered},
}

// refuse makes an *envelope.Error of an error that is a message's fault, and
// passes on the rest.
func refuse(err error) error {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return &envelope.Error{Reason: r.reason, Err: err}
		}
	}
	return err
}
