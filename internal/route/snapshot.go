package route

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// ErrInterrupted says that a route with an end of its own was ended before it
// got there.
var ErrInterrupted = errors.New("interrupted before the end")

// Snapshot is how far a route is. All numbers but Total, Parked and Lag only
// grow.
type Snapshot struct {
	Messages int64 // settled: written, skipped or rejected; 0 for a raw file
	Bytes    int64 // read: keys and values, or the bytes of a raw file
	BytesOut int64 // written, likewise; 0 when verifying
	Skipped  int64 // dropped as duplicates
	Rejected int64 // written to the dead letters
	Reasons  map[pipeline.Reason]int64
	Parked   int64 // places that stand still
	Lag      int64 // messages that wait in the source, or watch.Unknown
	// AlreadyThere counts messages that the sink held before they were written.
	AlreadyThere int64
	// Deleted counts messages that the source deleted before they were read, at
	// most, and Cut those that it lost after they had been read.
	Deleted, Cut int64
	// ParkedPlaces are the names of the first few of them.
	ParkedPlaces []string

	// Observations of a route that opens envelopes, in the order of messages.
	// They are counted whether the messages pass or not.
	Duplicates   int64 // messages that came before
	Gaps         int64 // messages without their predecessor
	Reordered    int64 // messages that are older than others of their place
	Foreign      int64 // messages that were sealed for another partition
	Unplaced     int64 // messages whose envelope does not say where they come from
	ExtraHeaders int64 // headers that were not sealed

	// Receipt is that of the last end of an archive that was read or written,
	// and Flags says what its flags mean; "" without one.
	Receipt, Flags string

	// Results of rewrapping. An envelope that could not be rewrapped is
	// rejected.
	Rewrapped int64 // envelopes that have new recipients
	Already   int64 // envelopes that had them before
	DataKeys  int64 // distinct data keys that were rewrapped

	endpoint.Progress
}
