package outcome

// Counts count messages, but for Parked and the bytes. Every message that was
// read is in exactly one of Written, AlreadyThere, Duplicates and SetAside, if
// the run is complete and writes anything.
type Counts struct {
	Read    int64 `json:"read"`
	Written int64 `json:"written"`
	// AlreadyThere counts messages that the destination held already, from a
	// run before this one.
	AlreadyThere int64 `json:"already_there"`
	// Duplicates counts messages that came again. They are dropped unless
	// --on=duplicate says otherwise.
	Duplicates int64 `json:"duplicates"`
	// SetAside counts messages that went to the dead letters.
	SetAside int64 `json:"set_aside"`

	// Observations about messages that are counted above as well.

	Gaps         int64 `json:"gaps"`          // their predecessor did not come
	Reordered    int64 `json:"reordered"`     // they came after a later one
	Foreign      int64 `json:"foreign"`       // sealed from another place
	Unplaced     int64 `json:"unplaced"`      // sealed without a place
	ExtraHeaders int64 `json:"extra_headers"` // had headers that nobody sealed

	// Deleted counts messages that the source deleted before they were read, at
	// most so many; Cut counts messages that the source lost after they had
	// been read.
	Deleted int64 `json:"deleted_before_read"`
	Cut     int64 `json:"cut"`

	// Parked is how many places stand still.
	Parked int64 `json:"parked"`

	BytesRead    int64 `json:"bytes_read"`
	BytesWritten int64 `json:"bytes_written"`
}

// isShort tells whether something that was there is neither written nor set
// aside.
func (c *Counts) isShort() bool { return c.Parked > 0 || c.Deleted > 0 || c.Cut > 0 }

// count is one of the Counts, as the last line shows it.
type count struct {
	name    string // in logs
	text    string // in sentences, behind the number
	n       int64
	warning bool
}

// listShown lists the counts that are shown if they are not zero.
func (c *Counts) listShown() []count {
	return []count{
		{"already_there", "already there", c.AlreadyThere, false},
		{"duplicates", "that came again", c.Duplicates, false},
		{"set_aside", "set aside", c.SetAside, true},
		{"gaps", "without their predecessor", c.Gaps, true},
		{"reordered", "out of order", c.Reordered, true},
		{"foreign", "from another place", c.Foreign, true},
		{"unplaced", "sealed without a place", c.Unplaced, false},
		{"extra_headers", "with headers that nobody sealed", c.ExtraHeaders, false},
		{"deleted_before_read", "deleted before they were read", c.Deleted, true},
		{"cut", "lost by the source", c.Cut, true},
		{"parked", "places parked", c.Parked, true},
	}
}

// Reasons counts messages that were set aside by the words of docs/errors.md.
type Reasons map[string]int64

// Rewrap is the work of a route that rewraps.
type Rewrap struct {
	Rewrapped int64 `json:"rewrapped"` // envelopes that have new recipients
	Before    int64 `json:"before"`    // envelopes that had them already
	DataKeys  int64 `json:"data_keys"` // distinct data keys that were rewrapped
	Refused   int64 `json:"refused"`   // key records that no old key unwraps
}

// Place is how one place stands: a partition, a stream or a file.
type Place struct {
	Name string `json:"place"`
	Counts
	// Next is the offset at which the next run goes on; nil if it is not known.
	Next *int64 `json:"next,omitempty"`
	// Lag is how many messages wait; nil if it is not known.
	Lag *int64 `json:"lag,omitempty"`
	// ParkedAt is the offset at which the place stands still, and ParkedFor
	// why.
	ParkedAt  *int64 `json:"parked_at,omitempty"`
	ParkedFor string `json:"parked_for,omitempty"`
}
