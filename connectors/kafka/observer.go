package kafka

import (
	"maps"
	"time"
)

// SourceObserver is told about the lanes of a Source. Its methods are called by
// several goroutines and must not block. None is called for every message.
type SourceObserver interface {
	// ServeLane is called when a lane begins to be served. The function places
	// calls yield for each place of the lane, with the offset of the first
	// record that has no committed position yet and the offset behind the last
	// record, -1 while that is unknown; their difference is the lag. It may be
	// called at any time, by any goroutine.
	//
	// The returned function is called once, when the lane has ended, with its
	// error. One that wraps pipeline.ErrLost says that the lane is served again
	// if it is still ours.
	ServeLane(places func(yield func(place string, position, end int64))) (ended func(err error))
	// FetchBytes tells the size of the record batches of one answer, as the
	// broker stores them.
	FetchBytes(n int)
}

// SinkObserver is told about the writes of a Sink, under the same rules.
type SinkObserver interface {
	// ProduceBytes tells the size of record batches that were stored. Together
	// with FetchBytes it says by how much messages grow.
	ProduceBytes(n int)
	// EndTransaction tells that a transaction was committed or aborted, and how
	// long it was open.
	EndTransaction(committed bool, open time.Duration)
}

// reportPlaces is places of SourceObserver.ServeLane.
func (l *lane) reportPlaces(yield func(place string, position, end int64)) {
	l.mu.Lock()
	places := maps.Clone(l.places)
	l.mu.Unlock()
	for place, p := range places {
		yield(place, p.position.Load(), p.end.Load())
	}
}
