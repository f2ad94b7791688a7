package route

import (
	"errors"
)

// ErrInterrupted says that a route with an end of its own was ended before it got there.
var ErrInterrupted = errors.New("interrupted before the end")

// Error is an error that comes with advice.
type Error struct {
	Err  error
	Hint string // one line: what to do
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }
