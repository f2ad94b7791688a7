package route

import (
	"fmt"
	"maps"
	"slices"
)

// A hot topic deletes records while they are compared. The envelopes of those
// that are gone cannot be verified, as those of records that went before.

// noteDeleted tells the comparer which messages of a place of the plain side
// were deleted before they were read. The caller holds s.mu.
func (s *comparedSide) noteDeleted(place string) error {
	if s.records.in.FirstKept == nil {
		return nil
	}
	if first := s.records.in.FirstKept(place); first > 0 {
		return s.job.comparer.NoteDeleted(s.idOf(place), first)
	}
	return nil
}

// endDeleted is noteDeleted for all places of a pass, since a stream tells late
// that it has deleted messages. The report will say so. The caller holds s.mu.
func (s *comparedSide) endDeleted() error {
	for place := range s.reached {
		if err := s.noteDeleted(place); err != nil {
			return err
		}
	}
	if s.records.in.Losses == nil {
		return nil
	}
	deleted, _ := s.records.in.Losses()
	for _, place := range slices.Sorted(maps.Keys(deleted)) {
		s.job.deleted = append(s.job.deleted,
			fmt.Sprintf("up to %d records of %s were deleted while they were compared", deleted[place], place))
	}
	return nil
}
