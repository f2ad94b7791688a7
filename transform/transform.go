// Package transform fits the envelope to the pipeline: it turns a
// pipeline.Message into the envelope's payload, binding and position and back,
// and keeps the Gate, which looks at positions in order.
//
//	encrypt.go, decrypt.go, rewrap.go   one transform per direction
//	other.go       formats of other tools; convert.go opens one, seals another
//	headers.go     which headers are authenticated; memory of changed ones
//	mark.go        what Decrypt tells the Gate
//	gate.go        the Gate, and policy.go what it does about its findings
//	runs.go        the runs of offsets that have come; gatestate.go keeps them
//	breaker.go     the breaker of a place that refuses many messages
//	places.go      the runs of all places, found by a hash
//	window.go      the last offsets of places whose runs do not grow together
//
// It must not know brokers or formats: which hash stands for a place, how
// subjects map and which messages a destination can carry are functions in its
// options, and the bytes of an envelope are the business of package envelope.
package transform

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// HeaderName is the header in which a tombstone carries its envelope. It is
// never bound.
const HeaderName = envelope.TombstoneHeader

// Place is how a pipeline place is written into positions.
type Place struct {
	Source        [5]byte // zero: positions say nothing
	Partition     uint16
	Ordered       bool // the place is read in the order of its offsets
	Rising        bool // terms rise along the place, and do not stay as they are
	SamePartition bool // the destination keeps the partition
}

// MapSubject appends to dst the subject under which a message is published on
// the way out. A message for which it appends nothing has none. A nil
// MapSubject leaves subjects as they are. It is called by many goroutines.
type MapSubject func(dst, subject []byte) ([]byte, error)

// reject makes a *pipeline.Reject of an envelope's refusal and passes on every
// other error.
func reject(err error) error {
	if refused, ok := errors.AsType[*envelope.Error](err); ok {
		return &pipeline.Reject{Reason: pipeline.Reason(refused.Reason), Err: err}
	}
	return err
}
