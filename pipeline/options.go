package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"
)

// Defaults of Options.
const (
	DefaultBudget    = 8 << 20
	DefaultReadAhead = 3 << 20
	DefaultGrace     = 10 * time.Second
	DefaultExitAfter = time.Minute
)

// Options name the ends of a run and the work between them. Source, Sink and
// NewTransform are required; a zero in any other field means its default.
type Options struct {
	Source       Source
	Sink         Sink
	NewTransform func() Transform // called once per worker
	// NewGate makes the Gate of a place from the state that its last owner
	// left; nil means that no message depends on another. An error parks the
	// place.
	NewGate func(place string, state []byte) (Gate, error)

	// DeadLetters receives a pointer to every rejected message. Without it a
	// reject parks its place.
	DeadLetters Sink
	// Parks, if not nil, says of a reason that a message which is rejected for
	// it parks its place nonetheless. It is called by many goroutines.
	Parks func(Reason) bool
	// DeadLetterValues adds the value as it was read. It is for inputs that are
	// ciphertext: a dead letter never carries plaintext.
	DeadLetterValues bool

	// Workers is how many batches are in flight over all lanes; default
	// GOMAXPROCS.
	Workers int
	// Budget is the memory of a worker in bytes: half of it for the batch that
	// the worker holds, three eighths for the values it makes, an eighth for
	// the messages around them. A batch that makes more is written in parts; a
	// message that may need more than the three eighths is rejected as
	// too-large. At least 64 KiB; default 8 MiB.
	Budget int
	// Pool, if not nil, is shared with other runs, and decides about Workers
	// and Budget.
	Pool *Pool
	// ReadAhead is how many bytes a lane reads at a time, at most half the
	// budget; default 3 MiB.
	ReadAhead int
	// Grace is how long writes, commits and Close go on after their lane was
	// told to end; default 10 s. Uncommitted work is then dropped, and read
	// again later.
	Grace time.Duration

	// ExitAfter is how long a run without an end goes on when none of its
	// places can, a fifth more or less; default 60 s. See Run.
	ExitAfter time.Duration

	// Resume has an element when a person wants places to go on that are parked
	// for a Resumable error, see RejectGate; nil means that nobody can.
	Resume <-chan struct{}

	// Observer is told of the progress of the run; nil means nobody.
	Observer Observer
	// Work is told of the work of the workers; nil means nobody, and then no
	// clock is read.
	Work WorkObserver
	// Steps is told of the steps of each batch; nil means nobody, and then no
	// clock is read for it.
	Steps StepObserver
	// Log gets no payload, key or header value; nil means slog.Default.
	Log *slog.Logger
}

// withDefaults checks o and fills in the defaults.
func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Source == nil:
		return o, errors.New("pipeline: no source")
	case o.Sink == nil:
		return o, errors.New("pipeline: no sink")
	case o.NewTransform == nil:
		return o, errors.New("pipeline: no transform")
	case o.DeadLetterValues && o.DeadLetters == nil:
		return o, errors.New("pipeline: dead letter values without dead letters")
	}
	if err := o.Check(); err != nil {
		return o, fmt.Errorf("pipeline: %w", err)
	}
	o = o.withSizes()
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.ExitAfter == 0 {
		o.ExitAfter = DefaultExitAfter
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}

// withSizes fills in the defaults that decide about memory.
func (o Options) withSizes() Options {
	if o.Pool != nil {
		o.Workers, o.Budget = o.Pool.workers, o.Pool.budget
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Budget == 0 {
		o.Budget = DefaultBudget
	}
	if o.ReadAhead == 0 {
		o.ReadAhead = DefaultReadAhead
	}
	o.ReadAhead = min(o.ReadAhead, o.Budget/2)
	return o
}

// MaxInFlight returns how many batches are in flight at most, with defaults
// filled in.
func (o Options) MaxInFlight() int { return o.withSizes().Workers }

// MaxValue returns the most bytes of a value that a Transform may make, with
// defaults filled in.
func (o Options) MaxValue() int { return o.withSizes().Budget / 8 * 3 }
