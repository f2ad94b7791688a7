package kafka

import "context"

// ListEnds asks for the high watermarks of the partitions that the Source
// reads, by place.
func (s *Source) ListEnds(ctx context.Context) (map[string]int64, error) {
	slots := s.chosenPartitions()
	ends, err := s.topics.ListEnds(ctx, slots)
	if err != nil {
		return nil, err
	}
	byPlace := make(map[string]int64, len(slots))
	for i, slot := range slots {
		byPlace[s.topics.placeOf(slot)] = ends[i]
	}
	return byPlace, nil
}
