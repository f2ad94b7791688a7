// Package keycheck says which key encryption keys envelopes need, and whether
// they can be had now.
//
//	Scan   (everything, in order) ─┐
//	Sample (some, by offset)      ─┼─► look: recipients ─► need ─► one unwrap per KEK and data key ─► Report
//	Raw    (one payload)          ─┘
//
// An envelope counts as readable when one of the configured KEKs unwraps its
// data key and the commitment verifies. Its payload is not opened, and nothing
// of it is shown: the command verify says whether it is intact.
//
// Memory is bounded: data keys are remembered by hash, and the oldest are
// forgotten. The package must not know where messages are stored or how one of
// them is found; that is a Source or a Peeker. Data keys are unwrapped by
// kekcache, which clears them.
package keycheck
