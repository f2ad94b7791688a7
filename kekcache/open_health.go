package kekcache

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/streamcrypt/streamcrypt/keys"
)

// dependency is something that opening waits for when it is away.
type dependency struct {
	kind string
	name string // of a KEK; empty for the others
}

func kekDependency(name string) dependency { return dependency{"a key service", name} }

var (
	storeDependency = dependency{kind: "the key store"}
	auditDependency = dependency{kind: "the audit log"}
)

// health says which dependencies of OpenKeys are away, from their last answers,
// and whether somebody waits for one.
type health struct {
	log      *slog.Logger
	observed *observed

	mu      sync.Mutex
	away    map[dependency]error // those that did not answer, with the error of the last call
	last    error                // the newest of these
	waiting int
	told    State // that the Observer knows
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
	_, was := h.away[on]
	switch {
	case err != nil:
		h.away[on], h.last = err, err
		if !was {
			h.log.Warn(on.kind+" is away", "error", err)
		}
	case was:
		delete(h.away, on)
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
	for on := range h.away {
		if on.name != "" {
			delete(h.away, on)
		}
	}
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

// tellState tells of a State that is new. The caller holds h.mu.
func (h *health) tellState() {
	now := h.current()
	if now.State != h.told {
		h.told = now.State
		h.observed.noteState(now.State, now.Cause)
	}
}

// current returns the Status. The caller holds h.mu.
func (h *health) current() Status {
	switch {
	case h.waiting > 0:
		return Status{State: Restricted, Cause: h.last, Waiting: h.waiting}
	case len(h.away) > 0:
		return Status{State: Degraded, Cause: h.last}
	}
	return Status{}
}

func (h *health) snapshot() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current()
}
