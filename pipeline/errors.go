package pipeline

import (
	"errors"
	"fmt"
)

var (
	// Skip is returned by a Transform or a Gate for a message that is dropped on purpose.
	Skip = errors.New("skip")
	// ErrLost says that the lane has another owner: the lane ends, the run goes on.
	ErrLost = errors.New("lane lost to another owner")
)

// Reject is the error of a message that can never pass.
type Reject struct {
	// Reason is a word of the closed list in docs/errors.md.
	Reason Reason
	// Err is the cause; it carries no payload, key material or header value. It may be nil.
	Err error
}

func (r *Reject) Error() string {
	if r.Err == nil {
		return string(r.Reason)
	}
	return r.Err.Error()
}

func (r *Reject) Unwrap() error { return r.Err }

// MessageError says which message an error is about.
type MessageError struct {
	Origin Origin
	Err    error
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("%s@%d: %v", e.Origin.Place, e.Origin.Offset, e.Err)
}

func (e *MessageError) Unwrap() error { return e.Err }
