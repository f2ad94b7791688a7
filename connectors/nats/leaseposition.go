package nats

// savedPosition is how far the owner has come, as the next owner needs to know.
type savedPosition struct {
	Created  int64  `json:"created"`            // when the stream was made, unix nanoseconds
	Consumer int64  `json:"consumer,omitempty"` // when the consumer was made, likewise; 0 if not known
	Next     int64  `json:"next"`
	Last     int64  `json:"last"`
	Time     int64  `json:"time"`            // when the message at Last was stored, likewise
	State    []byte `json:"state,omitempty"` // the Gate's
}

// savePosition notes how far the lane has come, to be stored soon or with the
// next renewal. It returns the number of the note: it is stored when isSaved
// says so.
func (e *lease) savePosition(p savedPosition, soon bool) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.store != nil {
		e.elsewhere = &p
	} else {
		e.record.Position = &p
	}
	e.unsaved++
	if soon {
		signalOnce(e.work)
	}
	return e.unsaved
}

// isSaved tells whether the note of this number, or a later one, is stored.
func (e *lease) isSaved(number uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.saved >= number
}

// position returns the position with which the lease was taken; nil if none.
func (e *lease) position() *savedPosition {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.store != nil {
		return e.elsewhere
	}
	return e.record.Position
}
