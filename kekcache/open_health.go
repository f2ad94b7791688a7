package kekcache

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/streamcrypt/streamcrypt/keys"
)

// dependency is something that opening waits for when it is away.
type dependency struct{ what, name string }

func aKEK(name string) dependency { return dependency{"a key service", name} }

var (
	theStore = dependency{what: "the key store"}
	theAudit = dependency{what: "the audit log"}
)

// health is what an OpenKeys knows of its dependencies, from their last answers.
type health struct {
	log *slog.Logger

	mu      sync.Mutex
	away    map[dependency]error // those that did not answer, with the error of the last call
	last    error                // the newest of these
	waiting int
}

// answered notes how a call ended. Each change is logged once, however many call. A call whose context ended says nothing.
func (h *health) answered(ctx context.Context, on dependency, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
	var service *keys.Error
	if errors.As(err, &service) && service.Class != keys.Away || on.name != "" && service == nil {
		err = nil // it did answer
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, was := h.away[on]
	switch {
	case err != nil:
		h.away[on], h.last = err, err
		if !was {
			h.log.Warn(on.what+" is away", "error", err)
		}
	case was:
		delete(h.away, on)
		if on.name == "" {
			h.log.Info(on.what + " is back")
		} else {
			h.log.Info(on.what+" is back", "key", on.name)
		}
	}
}

// forget begins anew with other KEKs.
func (h *health) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for on := range h.away {
		if on.name != "" {
			delete(h.away, on)
		}
	}
}

// repeat returns a repetition whose caller counts as waiting from its first
// wait to its end.
func (h *health) repeat(mayPass func(error) bool) *repetition {
	return &repetition{
		mayPass: mayPass,
		waiting: func(error) { h.count(1) },
		waited:  func(error) { h.count(-1) },
	}
}

func (h *health) count(change int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting += change
}

func (h *health) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.waiting > 0:
		return Status{State: Restricted, Cause: h.last, Waiting: h.waiting}
	case len(h.away) > 0:
		return Status{State: Degraded, Cause: h.last}
	}
	return Status{}
}
