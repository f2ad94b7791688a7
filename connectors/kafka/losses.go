package kafka

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// losses are the records of the source that nobody can read any more.
type losses struct {
	mu      sync.Mutex
	deleted map[string]int64    // by place
	kept    map[string]int64    // by place: the first offset that was left
	cut     map[string][2]int64 // by place: from and up to
}

// noteDeleted counts records that were deleted before they were read, up to n.
// The partition begins at first now.
func (l *losses) noteDeleted(place string, n, first int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deleted == nil {
		l.deleted, l.kept = make(map[string]int64), make(map[string]int64)
	}
	l.deleted[place] += n
	l.kept[place] = first
}

// noteCut notes records that had been read and were replaced by others.
func (l *losses) noteCut(place string, from, to int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut == nil {
		l.cut = make(map[string][2]int64)
	}
	l.cut[place] = [2]int64{from, to}
}

// result returns a *DeletedError if something was deleted before it was read.
func (l *losses) result() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.deleted) == 0 {
		return nil
	}
	return &DeletedError{Deleted: maps.Clone(l.deleted)}
}

// Losses tells how many records of each place were deleted before they were
// read, up to so many, and how many had been read when the source's log was
// cut.
func (s *Source) Losses() (deleted, cut map[string]int64) {
	l := &s.losses
	l.mu.Lock()
	defer l.mu.Unlock()
	cut = make(map[string]int64, len(l.cut))
	for place, c := range l.cut {
		cut[place] = c[1] - c[0]
	}
	return maps.Clone(l.deleted), cut
}

// FirstKept returns the offset below which records of a place were deleted
// before they were read, or 0.
func (s *Source) FirstKept(place string) int64 {
	s.losses.mu.Lock()
	defer s.losses.mu.Unlock()
	return s.losses.kept[place]
}

// DeletedError says that a run with an end is not complete: records were
// deleted before they were read. Everything else was carried.
type DeletedError struct {
	Deleted map[string]int64 // by place, up to so many: offsets are counted
}

// Error implements error.
func (e *DeletedError) Error() string {
	var total int64
	var named []string
	for _, place := range slices.Sorted(maps.Keys(e.Deleted)) {
		total += e.Deleted[place]
		if len(named) < 3 {
			named = append(named, fmt.Sprintf("%s: %d", place, e.Deleted[place]))
		}
	}
	if more := len(e.Deleted) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("%d more places", more))
	}
	return fmt.Sprintf("up to %d records were deleted before they were read (%s)", total, strings.Join(named, ", "))
}
