package pipeline

import (
	"errors"
	"fmt"
	"strings"
)

// ParkedPlace is a place that stands still.
type ParkedPlace struct {
	// Places are the places that stand still for one cause: one, or all places
	// of a lane.
	Places []string
	// At is the offset of the message at which one place stands still; -1 if
	// the cause is not about a message.
	At  int64
	Err error
}

// ParkedError is the error of a run that left places parked. The
// messages of those places have not been carried from the stopping point on.
type ParkedError struct {
	Parked []ParkedPlace // at least one
}

// maxNamed is how many parked places an error or a log line names.
const maxNamed = 5

// Error names the first places with their causes.
func (e *ParkedError) Error() string {
	var text strings.Builder
	for i, p := range e.Parked {
		if i == maxNamed {
			fmt.Fprintf(&text, "; and %d more", len(e.Parked)-i)
			break
		}
		if i > 0 {
			text.WriteString("; ")
		}
		text.WriteString(p.String())
	}
	return text.String()
}

// String says why the place is parked, and names it if the cause is a message's
// and does not.
func (p ParkedPlace) String() string {
	if _, named := errors.AsType[*MessageError](p.Err); named || p.At < 0 || len(p.Places) != 1 {
		return p.Err.Error()
	}
	return fmt.Sprintf("%s@%d: %v", p.Places[0], p.At, p.Err)
}

// Unwrap returns the causes.
func (e *ParkedError) Unwrap() []error {
	errs := make([]error, len(e.Parked))
	for i := range e.Parked {
		errs[i] = e.Parked[i].Err
	}
	return errs
}
