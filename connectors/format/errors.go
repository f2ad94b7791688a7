package format

import (
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// reason is a word of the closed list in docs/errors.md. Every error in the
// content of a file wraps one: find it with errors.Is, or with errors.As and an
// interface{ Reason() string }.
type reason string

func (r reason) Error() string { return string(r) }

// Reason returns the word itself.
func (r reason) Reason() string { return string(r) }

var (
	// ErrMalformed says that the input breaks the rules of its format.
	ErrMalformed error = reason("malformed")
	// ErrTruncated says that the input ends before it should: in the middle of
	// a record, or a seq without a valid end record behind its last message.
	ErrTruncated error = reason("truncated")
	// ErrTampered says that the messages of a seq are not those that its end
	// record was sealed over.
	ErrTampered error = reason("tampered")
	// ErrTooLarge says that a record or its number of headers exceeds the
	// limit.
	ErrTooLarge error = reason("too-large")
)

// rejectRecord returns the error of a record that can never be read. The reason
// is an error of this package.
func rejectRecord(reason, detail error) error {
	return &pipeline.Reject{Reason: pipeline.Reason(reason.Error()), Err: fmt.Errorf("%w: %w", reason, detail)}
}

// headerLimitError says that a message has more headers than the limit.
type headerLimitError int

func (e headerLimitError) Error() string { return fmt.Sprintf("more than %d headers", int(e)) }

// reasonOf returns the error of this package that says why a record with the
// error err of a parser cannot be read.
func reasonOf(err error) error {
	if _, ok := errors.AsType[headerLimitError](err); ok {
		return ErrTooLarge
	}
	return ErrMalformed
}

// ForeignError says that the first line of an ndjson is JSON of another kind:
// it lacks the fields of a message.
type ForeignError struct{ err error }

func (e *ForeignError) Error() string { return e.err.Error() }

func (e *ForeignError) Unwrap() error { return e.err }
