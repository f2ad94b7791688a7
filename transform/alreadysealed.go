package transform

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

var errAlreadySealed = errors.New("already-sealed: the value is an envelope")

// checkUnsealed refuses a message that is sealed: sealed once more it would be
// opened once, and its readers would take an envelope for their data. The
// header of a tombstone is found as well.
func checkUnsealed(m *pipeline.Message) error {
	if at, n := find(m.Headers); n > 0 {
		if m.Value == nil && envelope.IsSealed(m.Headers[at].Value) {
			return &pipeline.Reject{Reason: pipeline.ReasonAlreadySealed, Err: errAlreadySealed}
		}
		return &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	}
	if envelope.IsSealed(m.Value) {
		return &pipeline.Reject{Reason: pipeline.ReasonAlreadySealed, Err: errAlreadySealed}
	}
	return nil
}
