package pipeline

import "time"

// Observer is told of the progress of a run: batch by batch, never message by
// message. Several goroutines call it at once. It must not block, and it must
// keep nothing that is lent to it.
type Observer interface {
	// ObserveBatch is called after the commit of a batch, with one element per
	// place that the batch moved. The elements and their maps are lent.
	ObserveBatch(counts []PlaceCounts)
	// ObservePlace is called when a place is parked because of cause, and with
	// a nil cause when it goes on, or is not ours any more. The offset is that
	// of the message at which it is parked; -1 if the cause is not about a
	// message.
	ObservePlace(place string, offset int64, cause error)
	// ObserveLane is called when the serving of a lane begins and ends. The
	// cause is nil, or the error that it ended with.
	ObserveLane(change LaneChange, cause error)
}

// PlaceCounts says how many messages of one place in one batch were written,
// skipped or rejected.
type PlaceCounts struct {
	Place string
	// Next is the offset at which reading goes on.
	Next int64
	// Read counts the settled messages: written, skipped or rejected.
	Read, Written, Skipped int64
	// Rejected counts the messages that went to the dead letters, by reason. It
	// is nil or empty if there was none.
	Rejected map[Reason]int64
	// BytesIn and BytesOut count the bytes of keys and values.
	BytesIn, BytesOut int64
}

// WorkObserver is told of the work of a run's workers, batch by batch. Several
// goroutines call it at once, and it must not block.
type WorkObserver interface {
	// BeginWork is called when a worker has taken a batch.
	BeginWork()
	// EndWork is called when the worker has let the batch go.
	EndWork(Work)
}

// Work says how a worker carried one batch, whether that was committed or not.
type Work struct {
	// Messages and Bytes count the messages that were read, with their keys and
	// values.
	Messages int
	Bytes    int64
	// Transform is how long the Transform took, with its waits for others, and
	// the Sink to prepare the messages.
	// Settle is how long everything else took: the wait for the turn, the Gate,
	// the writes and the commit.
	Transform, Settle time.Duration
}

// LaneChange is an event in the life of a lane.
type LaneChange int

// The changes of a lane.
const (
	LaneServed LaneChange = iota // it begins
	LaneEnded                    // it came to its end, or was taken away
	LaneLost                     // its work does not count: see ErrLost
	LaneFailed                   // an error parked all of its places
)

// silent is the Observer of a run that nobody observes.
type silent struct{}

func (silent) ObserveBatch([]PlaceCounts) {}

func (silent) ObservePlace(string, int64, error) {}

func (silent) ObserveLane(LaneChange, error) {}
