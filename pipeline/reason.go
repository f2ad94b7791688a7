package pipeline

import "slices"

// Reason is the word for why a message was refused. The list is closed:
// docs/errors.md explains each word, and a test holds the two together.
//
// The library that seals and opens messages has a type of its own for the words
// that it can say, since it imports no pipeline.
type Reason string

// The reasons, in the order of docs/errors.md.
const (
	ReasonMalformed         Reason = "malformed"
	ReasonUnsupported       Reason = "unsupported"
	ReasonNotEnvelope       Reason = "not-an-envelope"
	ReasonTooLarge          Reason = "too-large"
	ReasonUnknownKey        Reason = "unknown-key"
	ReasonWrongKey          Reason = "wrong-key"
	ReasonUntrusted         Reason = "untrusted"
	ReasonStale             Reason = "stale"
	ReasonSkewed            Reason = "skewed"
	ReasonAlreadySealed     Reason = "already-sealed"
	ReasonUnknownDictionary Reason = "unknown-dictionary"
	ReasonTampered          Reason = "tampered"
	ReasonTruncated         Reason = "truncated"
	ReasonBareTombstone     Reason = "bare-tombstone"
	ReasonReservedHeader    Reason = "reserved-header"
	ReasonHeader            Reason = "header"
	ReasonDuplicate         Reason = "duplicate"
	ReasonReordered         Reason = "reordered"
	ReasonGap               Reason = "gap"
	ReasonForeignRecord     Reason = "foreign-record"
	ReasonRefused           Reason = "refused"
	ReasonGivenUp           Reason = "given-up"
)

var reasonList = [...]Reason{
	ReasonMalformed, ReasonUnsupported, ReasonNotEnvelope, ReasonTooLarge,
	ReasonUnknownKey, ReasonWrongKey, ReasonUntrusted, ReasonStale, ReasonSkewed,
	ReasonAlreadySealed, ReasonUnknownDictionary, ReasonTampered, ReasonTruncated,
	ReasonBareTombstone, ReasonReservedHeader, ReasonHeader, ReasonDuplicate,
	ReasonReordered, ReasonGap, ReasonForeignRecord, ReasonRefused,
	ReasonGivenUp,
}

// Reasons returns the closed list in the order of docs/errors.md. The caller
// owns the slice.
func Reasons() []Reason { return slices.Clone(reasonList[:]) }
