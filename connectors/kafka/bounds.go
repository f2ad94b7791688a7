package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// Start says where partitions begin that have no committed offset. The zero
// Start is the earliest record. At most one field is set.
type Start struct {
	New    bool      // records that are written after the Source was opened
	Time   time.Time // the first record with this timestamp or a later one
	Offset int64     // this offset in every partition, or the earliest after it
	// Places are the same for single partitions, by place. All others begin at
	// the earliest record.
	Places map[string]int64
	// Sealed begins behind the last message that the destination holds, as
	// Source.FindSealed tells, which must be set before the Source serves. For
	// Peekers it is the earliest record until then.
	Sealed bool
}

// IsGiven tells whether the Start says more than the zero one.
func (s *Start) IsGiven() bool { return s.countGiven() > 0 }

func (s *Start) countGiven() int {
	return countGiven(s.New, !s.Time.IsZero(), s.Offset != 0, s.Places != nil, s.Sealed)
}

// offsetOf returns the offset for a place; 0 if none is given.
func (s *Start) offsetOf(place string) int64 {
	if s.Places != nil {
		return s.Places[place]
	}
	return s.Offset
}

func (s *Start) check() error {
	if s.countGiven() > 1 {
		return errors.New("more than one start is given")
	}
	return checkOffsets(s.Offset, s.Places)
}

// Until says where a bounded run ends. The zero Until is never. At most one
// field is set.
type Until struct {
	End    bool      // behind the last record when NewSource is called, of a transaction that is open as well
	Time   time.Time // before the first record with this timestamp or a later one, and at the latest as End
	Offset int64     // before this offset in every partition, and at the latest as End
	// Places are the same for single partitions, by place. All others end as
	// with End.
	Places map[string]int64
}

// Bounded tells whether the run ends by itself.
func (u *Until) Bounded() bool { return u.countGiven() > 0 }

func (u *Until) countGiven() int {
	return countGiven(u.End, !u.Time.IsZero(), u.Offset != 0, u.Places != nil)
}

func (u *Until) check() error {
	if u.countGiven() > 1 {
		return errors.New("more than one end is given")
	}
	return checkOffsets(u.Offset, u.Places)
}

// endOf returns the end of a place as far as an offset says it; end, the
// present one, if no offset comes before.
func (u *Until) endOf(place string, end int64) int64 {
	if at, given := u.Places[place]; given {
		return min(end, at)
	}
	if u.Offset > 0 {
		return min(end, u.Offset)
	}
	return end
}

func checkOffsets(offset int64, places map[string]int64) error {
	if offset < 0 {
		return errors.New("a negative offset")
	}
	for place, at := range places {
		if at < 0 {
			return fmt.Errorf("%s: a negative offset", place)
		}
	}
	return nil
}

func countGiven(options ...bool) (n int) {
	for _, is := range options {
		if is {
			n++
		}
	}
	return n
}

// checkBoundPlaces refuses a start or an end of a place that the Source does
// not have or does not read.
func (s *Source) checkBoundPlaces() error {
	chosen := s.topics.Partitions()
	if s.Partitions != nil {
		chosen = s.Partitions
	}
	for _, bound := range []struct {
		name   string
		places map[string]int64
	}{{"start", s.Start.Places}, {"until", s.Until.Places}} {
		for _, place := range slices.Sorted(maps.Keys(bound.places)) {
			if !slices.ContainsFunc(chosen, func(slot int32) bool { return s.topics.placeOf(slot) == place }) {
				return fmt.Errorf("%s: %s=: %q is no partition that is read", s.names.describe(), bound.name, place)
			}
		}
	}
	return nil
}

// findEnds sets the offsets where a bounded run ends.
func (s *Source) findEnds(ctx context.Context) error {
	all := s.topics.Partitions()
	ends, err := s.topics.ListEnds(ctx, all)
	if err != nil {
		return err
	}
	var behind []int64 // the time, by partition
	if !s.Until.Time.IsZero() {
		rows, err := s.topics.ListOffsets(ctx, all, s.Until.Time.UnixMilli())
		if err != nil {
			return err
		}
		behind = rows[0]
	}
	s.untilOffsets = ends
	for i, slot := range all {
		s.untilOffsets[i] = s.Until.endOf(s.topics.placeOf(slot), ends[i])
		if behind != nil && behind[i] >= 0 {
			s.untilOffsets[i] = min(s.untilOffsets[i], behind[i])
		}
	}
	return nil
}

// UnkeptPlaces returns one of the partitions of each topic that a run without a
// group begins anew, as a place: no checkpoint has their positions.
func (s *Source) UnkeptPlaces() []string {
	var places []string
	for _, slot := range s.chosenPartitions() {
		place := s.topics.placeOf(slot)
		if s.isCheckpointed(place) {
			continue
		}
		isSame := func(other string) bool { return cluster.TopicOf(other) == cluster.TopicOf(place) }
		if !slices.ContainsFunc(places, isSame) {
			places = append(places, place)
		}
	}
	return places
}

// maxEndsTold is how many ends of partitions DescribeEnds names.
const maxEndsTold = 50

// DescribeEnds returns where a bounded run ends: PLACE@OFFSET for each
// partition that is read, in order; the end is before this offset. Of many
// partitions the last part says how many are left out.
func (s *Source) DescribeEnds() string {
	chosen := s.chosenPartitions()
	var parts []string
	for i, slot := range chosen {
		if i == maxEndsTold {
			parts = append(parts, fmt.Sprintf("and %d more", len(chosen)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s@%d", s.topics.placeOf(slot), s.untilOffsets[slot]))
	}
	return strings.Join(parts, ",")
}
