package nats

import (
	"context"
	"slices"
	"time"
)

// ConfirmOwner implements confirmer: the lease is renewed, or has been since
// the call began. A lane without a lease has no other owner.
func (l *lane) ConfirmOwner(ctx context.Context) error {
	if l.source.lease == nil {
		return nil
	}
	return l.source.lease.confirm(ctx)
}

// SubjectFilters implements confirmer.
func (l *lane) SubjectFilters() []string { return slices.Clone(l.source.FilterSubjects()) }

// confirm has the lease renewed at once, and waits for it.
func (e *lease) confirm(ctx context.Context) error {
	began := time.Now()
	for {
		if err := e.checkOwner(); err != nil {
			return err
		}
		e.mu.Lock()
		confirmed, turned := e.confirmed, e.turned
		e.mu.Unlock()
		if confirmed.After(began) {
			return nil
		}
		signalOnce(e.work)
		select {
		case <-turned:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
