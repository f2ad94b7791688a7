package kekcache

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// keyStatus says how keys of one purpose can be had. In an outage it goes one
// way: a caller that gives up waiting does not take it from restricted back to
// degraded, only a new key ends the outage.
type keyStatus struct {
	log      *slog.Logger
	audit    *auditQueue
	observed *observed
	live     func() bool // whether there is a window that may be sealed under

	state   atomic.Int32
	mu      sync.Mutex // for changes
	waiting int        // callers that cannot seal before there is a new key
	waits   uint64     // how many there were
	cause   error      // of the last try to make a key; nil if it went well
	told    dependency // the cause that the Observer knows
}

// currentState returns the present State.
func (s *keyStatus) currentState() State { return State(s.state.Load()) }

// snapshot returns the State with its details.
func (s *keyStatus) snapshot() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{State: s.currentState(), Cause: s.cause, Waiting: s.waiting, Waits: s.waits}
}

// beginWait counts a caller who cannot go on without a new key, until end is
// called.
func (s *keyStatus) beginWait() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	s.waits++
	if s.cause != nil {
		s.setState(Restricted)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
	}
}

// noteTry notes how a try to make a key ended, unless ctx, which was the try's,
// has ended since: then it is not the last one. waiting says whether a caller
// waits; live says whether the window has expired, though nobody may have tried
// to seal since.
func (s *keyStatus) noteTry(ctx context.Context, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cause != nil && ctx.Err() != nil {
		return
	}
	s.cause = cause
	switch {
	case cause == nil:
		s.setState(Normal)
	case s.waiting == 0 && s.currentState() != Restricted && s.live():
		s.setState(Degraded)
	default:
		s.setState(Restricted)
	}
}

// setState logs, audits and tells of each change once. The Observer is also
// told of another cause of the same State. The caller holds s.mu.
func (s *keyStatus) setState(state State) {
	old := State(s.state.Swap(int32(state)))
	if cause := dependencyOf(s.cause); old != state || cause != s.told {
		s.told = cause
		s.observed.noteState(state, s.cause)
	}
	if old == state {
		return
	}
	why := ""
	if state == Normal {
		s.log.Info("data keys can be had again", "state", state.String())
	} else {
		why = s.cause.Error()
		s.log.Warn("no new data key can be had", "state", state.String(), "error", s.cause)
	}
	s.audit.add(Event{Op: OpState, State: state, Why: why})
}
