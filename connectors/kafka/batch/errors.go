package batch

import (
	"errors"
	"fmt"
	"strconv"
)

// The faults of a batch. Reader wraps them in an *Error that says where.
var (
	// ErrChecksum says that the CRC-32C does not match: the batch was damaged
	// on a disk or on the way.
	ErrChecksum = errors.New("checksum does not match")
	// ErrMalformed says that the bytes are not a batch as the format describes
	// it.
	ErrMalformed = errors.New("malformed record batch")
	// ErrFormat says that the batch has message format v0 or v1, which brokers
	// have not written since 0.11 unless told to.
	ErrFormat = errors.New("message format before v2: not supported")
	// ErrCompression says that the batch names a codec that does not exist, or
	// that the codec refused it.
	ErrCompression = errors.New("compression")
	// ErrTooLarge says that a batch inflates beyond Limits, or would be larger
	// than the format allows.
	ErrTooLarge = errors.New("too-large")
)

// Error says where a batch is at fault: in Place, at the base offset of the
// batch. Nothing of the batch's content is in it.
type Error struct {
	Place  string
	Offset int64
	Err    error
}

// Error implements error: "orders/3@8812: checksum does not match".
func (e *Error) Error() string {
	return e.Place + "@" + strconv.FormatInt(e.Offset, 10) + ": " + e.Err.Error()
}

// Unwrap gives the cause, one of this package's errors.
func (e *Error) Unwrap() error { return e.Err }

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}
