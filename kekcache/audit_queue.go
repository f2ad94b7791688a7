package kekcache

import "sync"

// auditError says that an event could not be recorded; it is worth another try.
type auditError struct{ err error }

func (e *auditError) Error() string { return "audit: " + e.err.Error() }
func (e *auditError) Unwrap() error { return e.err }

// AuditAway tells those that display errors which kind this is.
func (*auditError) AuditAway() bool { return true }

// auditQueue gives events to an Auditor in the order in which they happened. An
// event that has happened and cannot be undone stays in the queue until it is
// recorded, and nothing new is begun before. So the queue holds no more than
// the end of each window and one outage bring.
//
// Lock order: recording, then mu.
type auditQueue struct {
	to   Auditor       // nil: none
	wake chan struct{} // there is something in the queue

	recording sync.Mutex // held while to is called; it may take as long as a disk does

	mu     sync.Mutex
	events []Event
}

func newAuditQueue(to Auditor) *auditQueue {
	return &auditQueue{to: to, wake: make(chan struct{}, 1)}
}

// add puts an event that has happened into the queue. It waits for no disk.
func (q *auditQueue) add(e Event) {
	if q.to == nil {
		return
	}
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// flush records all events in the queue. Its error is an *auditError.
func (q *auditQueue) flush() error {
	if q.to == nil {
		return nil
	}
	q.recording.Lock()
	defer q.recording.Unlock()
	return q.recordQueued()
}

// tryFlush is flush for a caller that need not know: after an error the events
// stay in the queue, and the next key cannot be had before they are recorded.
func (q *auditQueue) tryFlush() { _ = q.flush() }

// recordNow flushes the queue and then records e, which is not kept in the
// queue if that fails. Its error is an *auditError.
func (q *auditQueue) recordNow(e Event) error {
	if q.to == nil {
		return nil
	}
	q.recording.Lock()
	defer q.recording.Unlock()
	if err := q.recordQueued(); err != nil {
		return err
	}
	if err := q.to.Record(e); err != nil {
		return &auditError{err}
	}
	return nil
}

// recordQueued records the queue. The caller holds q.recording, so that nobody
// else takes from it.
func (q *auditQueue) recordQueued() error {
	for {
		q.mu.Lock()
		if len(q.events) == 0 {
			q.events = nil
			q.mu.Unlock()
			return nil
		}
		e := q.events[0]
		q.mu.Unlock()
		if err := q.to.Record(e); err != nil {
			return &auditError{err}
		}
		q.mu.Lock()
		q.events = q.events[1:]
		q.mu.Unlock()
	}
}
