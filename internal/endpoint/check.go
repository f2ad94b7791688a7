package endpoint

import (
	"context"

	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// Checker is an end that can be looked at without changing anything: nothing is
// made, no group joined, no position moved. Opening it may fail nonetheless,
// for an end may change in between, and not every right can be asked for.
type Checker interface {
	// Needs lists the rights that the end takes in its role. It asks nobody,
	// so that their state is unknown.
	Needs() []findings.Need
	// CheckSource looks at an end with the role From or Look. Its error says
	// that the end could not be looked at at all.
	CheckSource(ctx context.Context, s *Session) (*Checked, error)
	// CheckSink looks at an end with the role To or DeadLetters, for the
	// messages of in.
	CheckSink(ctx context.Context, s *Session, in *Checked) (*Checked, error)
}

// Checked is the result of a look at an end.
type Checked struct {
	findings.Report
	// Source is the open source of a kind that changes nothing when it is
	// opened; otherwise nil.
	Source *Source
	// Lanes and Largest are as those of a Source, and LaneMemory is as that of
	// a Source or a Sink; 0 if they are not known.
	Lanes, Largest, LaneMemory int
	// MaxMessage is how large a message may be in the end, in bytes; 0 if that
	// is not known.
	MaxMessage int
	// Sink has the properties of a sink that is there already; otherwise nil.
	Sink *Sink
	// Delivery says how often a message arrives in a sink; "" if it is not
	// known.
	Delivery string
}
