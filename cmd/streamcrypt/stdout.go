package main

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// results is standard output, where commands print their results.
type results struct{ io.Writer }

// Write implements io.Writer.
func (r results) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	if err != nil {
		err = &outputError{err}
	}
	return n, err
}

// outputError is an error of standard output.
type outputError struct{ err error }

func (e *outputError) Error() string { return "standard output: " + e.err.Error() }

func (e *outputError) Unwrap() error { return e.err }

// isReadEnough tells whether err says that the reader of the results has closed
// the pipe, as head does when it has seen enough. The outcome of a run is not
// for such readers.
func isReadEnough(err error) bool {
	var output *outputError
	return errors.As(err, &output) && errors.Is(output, syscall.EPIPE)
}

// errClosed says that there is no standard output.
var errClosed = errors.New("standard output is closed")

// checkOpen refuses to write something that must not be lost to a standard
// output that is closed. The runtime opens the null device in its place, for
// reading and writing, so that the first file that is opened does not become
// standard output; hardly anybody else does.
func checkOpen(w io.Writer) error {
	if f, ok := w.(*os.File); ok && isStandIn(f) {
		return errClosed
	}
	return nil
}
