package kekcache

// State says how keys can be had.
type State int32

const (
	// Normal means that keys can be had.
	Normal State = iota
	// Degraded means that no new key can be had, and that nobody waits for one:
	// the keys there are may still be used.
	Degraded
	// Restricted means that no key can be had, and that somebody waits for one.
	Restricted
)

func (s State) String() string {
	switch s {
	case Normal:
		return "normal"
	case Degraded:
		return "degraded"
	case Restricted:
		return "restricted"
	}
	return "unknown"
}

// Status is the State with its details, for readiness and metrics.
type Status struct {
	State   State
	Cause   error  // why the State is not Normal
	Waiting int    // sealing: calls that wait for a key; opening: keys that are waited for, each by any number of calls
	Waits   uint64 // sealing: how many calls have had to wait for a key so far, the first one included
}

// add makes s the Status of several purposes: the worst State, with its cause.
func (s *Status) add(other Status) {
	if other.State > s.State {
		s.State, s.Cause = other.State, other.Cause
	}
	s.Waiting += other.Waiting
	s.Waits += other.Waits
}
