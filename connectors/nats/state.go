package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// The Gate's state. It is in the entry of the lease, unless SourceOptions.State
// names another place. In either place, a message is acknowledged after the
// state that knows it is stored: otherwise a process that is started again
// would let the message pass a second time, when somebody plays it once more.

// StateStore keeps the Gate's state in another place than the lease. One
// process at a time uses it: the owner of the lease.
type StateStore interface {
	// LoadState returns the entry with a name; nil if there is none.
	LoadState(ctx context.Context, name string) ([]byte, error)
	// SaveState replaces the entry, and returns when it is durable. Its error
	// matches ErrStateTaken if another process has written the entry since this
	// one has loaded or saved it.
	SaveState(ctx context.Context, name string, state []byte) error
	// String names the place in logs.
	String() string
}

// ErrStateTaken is the error of a state that another process has written.
var ErrStateTaken = errors.New("another process has written the state of the replay check")

// ErrStateUnread is the error of a state that is there and cannot be read.
var ErrStateUnread = errors.New("the state of the replay check cannot be read")

// stateName is the name of the entry. A stream that is made anew has another
// one: its sequences name other messages.
func (s *Source) stateName() string {
	return fmt.Sprintf("state.%s.%s.%d", s.Stream, s.Consumer, s.created.UnixNano())
}

// loadElsewhere loads the position from the store, where the lease has one. It
// returns false when ctx has ended or the lease was lost meanwhile.
func (e *lease) loadElsewhere(ctx context.Context) (bool, error) {
	if e.store == nil {
		return true, nil
	}
	for told := false; ctx.Err() == nil && e.checkOwner() == nil; {
		position, err := e.readStore(ctx)
		switch {
		case err == nil:
			e.mu.Lock()
			e.elsewhere = position
			e.mu.Unlock()
			return true, nil
		case errors.Is(err, ErrStateUnread):
			return false, fmt.Errorf("%s: %w", e.store, err)
		}
		if !told {
			told = true
			e.log.Warn("the state of the replay check cannot be loaded, trying again",
				append(e.about, "state", e.store.String(), "error", err)...)
		}
		_ = retry.Sleep(ctx, lookAgain) // the loop looks at ctx
	}
	return false, nil
}

// readStore reads the entry of the store.
func (e *lease) readStore(ctx context.Context) (*savedPosition, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseAnswer)
	defer cancel()
	text, err := e.store.LoadState(ctx, e.stateName)
	if err != nil {
		return nil, err
	}
	return parsePosition(text)
}

// parsePosition reads an entry of a store; nil if there is none.
func parsePosition(text []byte) (*savedPosition, error) {
	if len(text) == 0 {
		return nil, nil //nolint:nilnil // no position is no error
	}
	p := &savedPosition{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStateUnread, err)
	}
	return p, nil
}

// saveAlways stores positions elsewhere until ctx ends or the lease is lost.
func (e *lease) saveAlways(ctx context.Context) {
	told := false
	for {
		select {
		case <-e.work:
		case <-ctx.Done():
			return
		}
		err := e.saveElsewhere(ctx)
		switch {
		case errors.Is(err, ErrStateTaken):
			e.mu.Lock()
			e.lost = true
			e.mu.Unlock()
			e.log.Warn("nats lease lost", append(e.about, "state", e.store.String(), "error", err)...)
			e.tellChange()
			return
		case err != nil && ctx.Err() == nil:
			if !told {
				e.log.Warn("the state of the replay check cannot be stored, "+
					"so no message is acknowledged; trying again",
					append(e.about, "state", e.store.String(), "error", err)...)
			}
			told = true
			signalOnce(e.work)
			_ = retry.Sleep(ctx, time.Second) // the loop looks at ctx
			continue
		}
		told = false
		if retry.Sleep(ctx, saveEvery) != nil {
			return
		}
	}
}

// saveElsewhere stores the newest position in the store.
func (e *lease) saveElsewhere(ctx context.Context) error {
	e.mu.Lock()
	position, number := e.elsewhere, e.unsaved
	e.mu.Unlock()
	if position == nil || e.checkOwner() != nil { // the renewal tells it
		return nil
	}
	text, err := json.Marshal(position)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, leaseAnswer)
	defer cancel()
	if err := e.store.SaveState(ctx, e.stateName, text); err != nil {
		return err
	}
	e.mu.Lock()
	e.saved = max(e.saved, number)
	e.mu.Unlock()
	e.tellChange()
	return nil
}
