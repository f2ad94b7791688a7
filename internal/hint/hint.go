// Package hint carries advice beside an error: one line that says what a person can do about it.
//
// The package must not know any cause. Each room gives advice about the errors that it makes itself, and the command prints
// the advice behind the error.
package hint

import (
	"errors"
	"fmt"
)

// Error is an error that comes with advice.
type Error struct {
	Err  error
	Hint string // one line: what to do
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Prefix says what an error is about, before its text, and keeps its advice.
func Prefix(what string, err error) error {
	var advised *Error
	if errors.As(err, &advised) {
		return &Error{Err: fmt.Errorf("%s: %w", what, advised.Err), Hint: advised.Hint}
	}
	return fmt.Errorf("%s: %w", what, err)
}
