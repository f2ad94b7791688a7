// Package hint carries advice beside an error: one line on how a person can
// solve the problem.
//
// The package must not know any cause. Each room declares advice about the
// errors that it makes itself as a list of Advice, and the command prints the
// advice behind the error.
package hint

import (
	"errors"
	"fmt"
)

// Error is an error that comes with advice.
type Error struct {
	Err  error
	Hint string // one line
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// New returns an *Error with these two texts.
func New(text, advice string) error {
	return &Error{Err: errors.New(text), Hint: advice}
}

// PrefixError names the subject of an error before its text, and keeps the
// advice that comes with it.
func PrefixError(subject string, err error) error {
	prefixed := fmt.Errorf("%s: %w", subject, err)
	var advised *Error
	if errors.As(err, &advised) {
		return &Error{Err: prefixed, Hint: advised.Hint}
	}
	return prefixed
}

// Advice is one line about one kind of error.
type Advice struct {
	matches func(error) bool
	hint    string
}

// AboutError advises on errors that match target by errors.Is.
func AboutError(target error, hint string) Advice {
	return Advice{matches: func(err error) bool { return errors.Is(err, target) }, hint: hint}
}

// AboutType advises on errors of type E by errors.As.
func AboutType[E error](hint string) Advice {
	return Advice{hint: hint, matches: func(err error) bool {
		var target E
		return errors.As(err, &target)
	}}
}

// AboutErrors advises on errors for which matches returns true.
func AboutErrors(matches func(error) bool, hint string) Advice {
	return Advice{matches: matches, hint: hint}
}

// ExplainError adds the first advice that fits to an error. An error that has
// advice already, or that no advice fits, is returned as it is.
func ExplainError(err error, advice []Advice) error {
	var advised *Error
	if err == nil || errors.As(err, &advised) {
		return err
	}
	for _, a := range advice {
		if a.matches(err) {
			return &Error{Err: err, Hint: a.hint}
		}
	}
	return err
}
