// Package coding compresses and pads payloads before they are sealed, and
// undoes that (docs/envelope.md, section 16): exactly one frame of zstd (RFC
// 8878), then ISO/IEC 7816-4 padding.
//
//	coding.go      errors; Frame, the limits of a frame
//	dictionary.go  Dictionary: what frames may be compressed with
//	padding.go     Padding: to which lengths payloads are padded
//	encode.go      Encoder: payloads in memory, and streams
//	decode.go      Decoder: payloads in memory; stream.go: streams
//	frame.go       strict reading of frames, of which the library is lenient
//
// Everything that it decodes has been authenticated, but by a sealer who may be
// a stranger (a public key is enough to seal), so no input may cost more memory
// than its reader allows: a limit for payloads in memory, a window for streams.
//
// The package must not know envelopes or keys, and starts no goroutine.
package coding

import (
	"errors"
	"fmt"
)

// The words of docs/envelope.md, section 10. Errors of this package wrap one of
// them and begin with the word.
var (
	ErrMalformed = errors.New("malformed")
	ErrTooLarge  = errors.New("too-large")
)

// Limits in bytes (docs/envelope.md, section 11).
const (
	MaxWindow     = 8 << 20
	MaxDictionary = 112_640
)

var (
	errFrame   = fmt.Errorf("%w: not one whole frame of zstd", ErrMalformed)
	errWindow  = fmt.Errorf("%w: a window of more than %d bytes", ErrTooLarge, MaxWindow)
	errPadding = fmt.Errorf("%w: padding without its mark", ErrMalformed)
)

func errPayload(limit int64) error {
	return fmt.Errorf("%w: a payload of more than %d bytes", ErrTooLarge, limit)
}
