package nats

// SourceObserver is told about the lanes of a Source. It is called by several
// goroutines and must not block.
type SourceObserver interface {
	// ServeLane is called when a lane begins to be served. The function places
	// calls yield once, with the stream, the lowest sequence that is not
	// acknowledged, and an end such that their difference is the lag: messages
	// that wait in the stream or with this process. It may be called at any
	// time, by any goroutine.
	//
	// The returned function is called once, when the lane has ended, with its
	// error. One that wraps pipeline.ErrLost says that the lane is served
	// again.
	ServeLane(places func(yield func(place string, position, end int64))) (ended func(err error))
}

// ConnObserver is told about a Conn, under the same rules.
type ConnObserver interface {
	// ChangeConnection tells that the connection was lost because of err, or
	// that it is back.
	ChangeConnection(connected bool, err error)
}

// SinkObserver is told about the writes of a Sink, under the same rules.
type SinkObserver interface {
	// RetryPublish tells how many messages are published again because of err.
	RetryPublish(messages int, err error)
	// NoteDuplicates tells how many messages the stream had stored already, and
	// how many it only said so of: they are published again, under other ids.
	NoteDuplicates(already, again int)
}

// reportPlaces is places of SourceObserver.ServeLane.
func (l *lane) reportPlaces(yield func(place string, position, end int64)) {
	l.mu.Lock()
	position, waiting := l.delivered+1, l.pending
	for sequence, d := range l.held {
		if !d.done {
			position = min(position, sequence)
			waiting++
		}
	}
	l.mu.Unlock()
	yield(l.source.Stream, int64(position), int64(position+waiting))
}
