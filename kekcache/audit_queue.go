package kekcache

import "sync"

// auditError says that an event could not be recorded; it is worth another try.
type auditError struct{ err error }

func (e *auditError) Error() string { return "audit: " + e.err.Error() }
func (e *auditError) Unwrap() error { return e.err }

// trail gives events to an Auditor in the order in which they happened. What has happened and cannot be undone is owed until it is
// recorded, and nothing new is begun before. So no more is owed than what one window's end and one outage bring.
type trail struct {
	to   Auditor       // nil: none
	wake chan struct{} // something is owed

	recording sync.Mutex // held while to is called; it may take as long as a disk does

	mu   sync.Mutex
	owed []Event
}

func newTrail(to Auditor) *trail { return &trail{to: to, wake: make(chan struct{}, 1)} }

// owe notes what has happened. It waits for no disk.
func (t *trail) owe(e Event) {
	if t.to == nil {
		return
	}
	t.mu.Lock()
	t.owed = append(t.owed, e)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// flush records what is owed. Its error is an *auditError.
func (t *trail) flush() error {
	if t.to == nil {
		return nil
	}
	t.recording.Lock()
	defer t.recording.Unlock()
	return t.settle()
}

// record records what is owed and then e, which is not owed if that goes wrong. Its error is an *auditError.
func (t *trail) record(e Event) error {
	if t.to == nil {
		return nil
	}
	t.recording.Lock()
	defer t.recording.Unlock()
	if err := t.settle(); err != nil {
		return err
	}
	if err := t.to.Record(e); err != nil {
		return &auditError{err}
	}
	return nil
}

// settle records what is owed. The caller holds t.recording, so that nobody else takes from owed.
func (t *trail) settle() error {
	for {
		t.mu.Lock()
		if len(t.owed) == 0 {
			t.owed = nil
			t.mu.Unlock()
			return nil
		}
		e := t.owed[0]
		t.mu.Unlock()
		if err := t.to.Record(e); err != nil {
			return &auditError{err}
		}
		t.mu.Lock()
		t.owed = t.owed[1:]
		t.mu.Unlock()
	}
}
