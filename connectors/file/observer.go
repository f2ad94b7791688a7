package file

// SourceObserver is told about the lanes of a Source. It must not block.
type SourceObserver interface {
	// ServeLane is called when a lane begins to be served. The function places
	// calls yield once, with the path and the index of the first record that is
	// not committed yet; the number of records is known at the end of the file,
	// and -1 before. It may be called at any time, by any goroutine.
	//
	// The returned function is called once, when the lane has ended, with its
	// error. One that wraps pipeline.ErrLost says that the lane is served
	// again.
	ServeLane(places func(yield func(place string, position, end int64))) (ended func(err error))
}

// reportPlaces is places of SourceObserver.ServeLane.
func (l *lane) reportPlaces(yield func(place string, position, end int64)) {
	l.mu.Lock()
	position, end := l.done.Next, int64(-1)
	if l.ended {
		end = l.total
	}
	l.mu.Unlock()
	yield(l.place, position, end)
}
