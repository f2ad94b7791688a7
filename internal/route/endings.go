package route

import (
	"errors"
)

var (
	// ErrTakenOver says that another process goes on with the work of this one.
	ErrTakenOver = errors.New("another process has taken over")
	// ErrBreakerOpen says that a route stopped itself, since it refused so many
	// messages that its keys or its source must be wrong.
	ErrBreakerOpen = errors.New("the breaker is open")
)

// About describes a Route in the words of its configuration.
type About struct {
	Direction   string // encrypt, decrypt, verify, rewrap or convert
	From, To    string // names of the ends; To is empty if nothing is written
	DeadLetters string // name of the end; may be empty
	Raw         bool   // one payload is carried, and no messages are
	// Memory is how much the route may use, in bytes, as it is logged.
	Memory int64
	// HasEnd says that Run returns by itself. The end of Run's context is no
	// error of a route without one.
	HasEnd bool
	// Checkpointed says that a checkpoint keeps how far the route came.
	Checkpointed bool
}

// About describes the route.
func (r *Route) About() About {
	a := r.about
	if measured, ok := r.job.(interface{ maxMemory() int64 }); ok {
		a.Memory = measured.maxMemory()
	}
	end, endless := r.job.(interface{ hasEnd() bool })
	a.HasEnd = !endless || end.hasEnd()
	return a
}

// hasEnd tells whether run returns by itself.
func (r *records) hasEnd() bool { return r.in.Bounded || r.out.AtOnce }

func (r *records) maxMemory() int64 { return r.memory }

func (r *raw) maxMemory() int64 { return r.memory }

// describeRoute describes the route of a plan.
func (p *plan) describeRoute() About {
	a := About{Direction: p.workName(), From: p.source.Name, To: p.sink.Name, Raw: p.raw,
		Checkpointed: p.Checkpoint != ""}
	if p.dead != nil {
		a.DeadLetters = p.dead.Traits().Name
	}
	return a
}

// markTakenOver makes an error that a room declares as a take-over match
// ErrTakenOver.
func (e Env) markTakenOver(err error) error {
	for i := range e.Endpoints {
		for _, target := range e.Endpoints[i].TakenOver {
			if errors.Is(err, target) {
				return &takenOverError{err}
			}
		}
	}
	return err
}

type takenOverError struct{ err error }

func (e *takenOverError) Error() string { return e.err.Error() }

// Unwrap implements the interface of package errors.
func (e *takenOverError) Unwrap() []error { return []error{ErrTakenOver, e.err} }
