package route

import "github.com/streamcrypt/streamcrypt/pipeline"

// Unit is what Snapshot.Done and Snapshot.Total count.
type Unit string

// The units.
const (
	Bytes    Unit = "bytes"
	Messages Unit = "messages"
)

// Snapshot is how far a route is. All numbers but Total only grow.
type Snapshot struct {
	Messages int64 // settled: written, skipped or rejected; 0 for a raw file
	Bytes    int64 // read: keys and values, or the bytes of a raw file
	BytesOut int64 // written, likewise; 0 when verifying
	Skipped  int64 // dropped as duplicates
	Rejected int64 // written to the dead letters
	Reasons  map[pipeline.Reason]int64
	Parked   int64 // places that stand still
	// ParkedPlaces are the names of the first few of them.
	ParkedPlaces []string

	// What opening a route has seen in the order of messages; they are counted, not refused.
	Gaps    int64 // messages whose predecessor did not come
	Foreign int64 // messages that were sealed from another place than the first

	// What rewrapping did. An envelope that could not be rewrapped is rejected.
	Rewrapped int64 // envelopes that have new recipients
	Already   int64 // envelopes that had them before
	DataKeys  int64 // distinct data keys that were rewrapped

	Done  int64 // of Total, in Unit
	Total int64 // 0 if it is not known
	Unit  Unit
}
