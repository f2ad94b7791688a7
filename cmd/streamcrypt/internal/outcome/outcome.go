// Package outcome decides how a run ended. One function, Conclude, turns the
// facts into an Outcome, and everything that the program says at its end comes
// from that: the exit code, the last line of the log, the sentence on a
// terminal, and the object that --json prints (docs/result.schema.json).
//
//	outcome.go  Facts, Outcome and Conclude
//	counts.go   counts of a run, and of each of its places
//	text.go     the sentence for people
//	log.go      the last line of a log
//	json.go     the object that --json prints
//
// The package must not know how a route works, nor write anything anywhere.
package outcome

import (
	"errors"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/proof"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// Word names an outcome.
type Word string

// The outcomes.
const (
	// Complete says that nothing that was there is missing from the output but
	// the messages that were set aside under a name.
	Complete Word = "complete"
	// Stopped says that a signal ended a run that has no end of its own. All
	// that was read is written; the rest waits in the source.
	Stopped Word = "stopped"
	// Incomplete says that something is missing: a message was refused, a place
	// is parked, records were deleted before they were read, or the run failed.
	Incomplete Word = "incomplete"
	// NotStarted says that nothing was read and nothing was written.
	NotStarted Word = "not-started"
	// Interrupted says that a signal ended a run before it reached its end.
	Interrupted Word = "interrupted"
	// TakenOver says that another process with the same name goes on with the
	// work of this one.
	TakenOver Word = "taken-over"
	// BreakerOpen says that the run stopped itself, since it refused so much
	// that its keys or its source must be wrong.
	BreakerOpen Word = "breaker-open"
)

// codes are the exit codes. docs/errors.md explains them.
var codes = map[Word]int{
	Complete: 0, Stopped: 0, Incomplete: 1, NotStarted: 2, Interrupted: 3, TakenOver: 4, BreakerOpen: 5,
}

// Code returns the exit code.
func (w Word) Code() int { return codes[w] }

// Facts are everything that is known when a command ends.
type Facts struct {
	// Err is why the command did not end well, nil if it did. Hint is advice
	// about it, and Reason the word of docs/errors.md, if it has one.
	Err          error
	Hint, Reason string
	// Run is nil if no route ran.
	Run *Run
}

// Run is a route that ran.
type Run struct {
	Direction    string // encrypt, decrypt, verify, rewrap or convert
	From, To     string // names of the ends; To may be empty
	DeadLetters  string // name of the end; may be empty
	Started      time.Time
	Took         time.Duration
	Stopped      bool // a signal ended a run that has no end of its own
	Checkpointed bool // a checkpoint says how far earlier runs came
	Counts       Counts
	Reasons      Reasons  // why messages were set aside
	Parked       []string // names of the first places that stand still
	Places       []Place  // by name
	Others       *Counts  // of the places that are not among Places; nil: none
	Rewrap       *Rewrap  // nil unless the route rewrapped
	// Receipt is that of the last end of an archive that was read or written,
	// and Archive says what its flags mean; "" without one.
	Receipt, Archive string
	// Comparison is the report of a run that compared; nil for others.
	Comparison *proof.Report
}

// Outcome is how a command ended.
type Outcome struct {
	Facts
	Word Word
}

// Conclude decides how a command ended.
func Conclude(f Facts) Outcome { return Outcome{Facts: f, Word: judgeFacts(&f)} }

func judgeFacts(f *Facts) Word {
	var start interface{ NotStarted() bool }
	switch {
	case errors.Is(f.Err, route.ErrInterrupted):
		return Interrupted
	case errors.Is(f.Err, route.ErrTakenOver):
		return TakenOver
	case errors.Is(f.Err, route.ErrBreakerOpen):
		return BreakerOpen
	case errors.As(f.Err, &start) && start.NotStarted():
		return NotStarted
	case f.Err != nil, f.Run != nil && f.Run.Counts.isShort():
		return Incomplete
	case f.Run != nil && f.Run.Stopped:
		return Stopped
	}
	return Complete
}

// IsComplete tells whether nothing is missing from the output.
func (o *Outcome) IsComplete() bool { return o.Word == Complete && o.Run != nil }

// HadNothingToDo tells whether a run came to its end and found no message on
// the way.
func (o *Outcome) HadNothingToDo() bool { return o.IsComplete() && o.Run.Counts.Read == 0 }
