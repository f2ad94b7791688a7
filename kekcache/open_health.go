package kekcache

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/streamcrypt/streamcrypt/keys"
)

// dependency is something that sealing or opening waits for when it is away.
type dependency struct {
	kind string
	name string // of a KEK; empty for the others
}

func kekDependency(name string) dependency { return dependency{"a key service", name} }

var (
	storeDependency = dependency{kind: "the key store"}
	auditDependency = dependency{kind: "the audit log"}
)

// dependencyOf returns the dependency that err is about, or the zero value.
func dependencyOf(err error) dependency {
	var audit *auditError
	var store *storeError
	var service *keys.Error
	switch {
	case errors.As(err, &audit):
		return auditDependency
	case errors.As(err, &store):
		return storeDependency
	case errors.As(err, &service):
		return kekDependency(service.Key)
	}
	return dependency{}
}

// absence is a dependency that did not answer, with the error of the last call.
type absence struct {
	on  dependency
	err error
}

// health says which dependencies of OpenKeys are away, from their last answers,
// and whether somebody waits for one.
type health struct {
	log      *slog.Logger
	observed *observed

	mu      sync.Mutex
	away    []absence // in the order in which they began
	cause   absence   // one of these; the last one of an outage stays
	waiting int
	// The State that the Observer knows, and the dependency that is its cause.
	toldState State
	toldCause dependency
}

// noteAnswer notes how a call ended. Each change is logged once, however many
// call. A call says nothing if its context has ended.
func (h *health) noteAnswer(ctx context.Context, on dependency, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
	var service *keys.Error
	if errors.As(err, &service) && service.Class != keys.Away || on.name != "" && service == nil {
		err = nil // it did answer
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.tellState()
	i := slices.IndexFunc(h.away, func(a absence) bool { return a.on == on })
	switch {
	case err != nil && i < 0:
		h.away = append(h.away, absence{on, err})
		h.log.Warn(on.kind+" is away", "error", err)
	case err != nil:
		h.away[i].err = err
	case i >= 0:
		h.away = slices.Delete(h.away, i, i+1)
		if on.name == "" {
			h.log.Info(on.kind + " is back")
		} else {
			h.log.Info(on.kind+" is back", "key", on.name)
		}
	}
}

// forgetKEKs is for other KEKs, of which nothing is known.
func (h *health) forgetKEKs() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = slices.DeleteFunc(h.away, func(a absence) bool { return a.on.name != "" })
	h.tellState()
}

// repeat returns a repetition that counts its caller as waiting, from the first
// wait to the end.
func (h *health) repeat(mayPass func(error) bool) *repetition {
	return &repetition{
		mayPass: mayPass,
		waiting: func(error) { h.addWaiting(1) },
		waited:  func(error) { h.addWaiting(-1) },
	}
}

func (h *health) addWaiting(change int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting += change
	h.tellState()
}

// tellState tells of a State that is new, or has another cause. The caller
// holds h.mu.
func (h *health) tellState() {
	h.chooseCause()
	now := h.current()
	if now.State != h.toldState || now.State != Normal && h.cause.on != h.toldCause {
		h.toldState, h.toldCause = now.State, h.cause.on
		h.observed.noteState(now.State, now.Cause)
	}
}

// chooseCause chooses the absence that the Status names: that of the audit log,
// without which no key may be used, or else the latest to begin. A caller may
// still wait for its next try when nothing is away any more. The caller holds
// h.mu.
func (h *health) chooseCause() {
	if len(h.away) == 0 {
		return
	}
	i := slices.IndexFunc(h.away, func(a absence) bool { return a.on == auditDependency })
	if i < 0 {
		i = len(h.away) - 1
	}
	h.cause = h.away[i]
}

// current returns the Status. The caller holds h.mu.
func (h *health) current() Status {
	switch {
	case h.waiting > 0:
		return Status{State: Restricted, Cause: h.cause.err, Waiting: h.waiting}
	case len(h.away) > 0:
		return Status{State: Degraded, Cause: h.cause.err}
	}
	return Status{}
}

func (h *health) snapshot() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current()
}
