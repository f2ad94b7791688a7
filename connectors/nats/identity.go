package nats

import "slices"

// FilterSubjects returns the subjects that the consumer filters by, sorted;
// none if it takes all.
func (s *Source) FilterSubjects() []string {
	filters := slices.Clone(s.config.FilterSubjects)
	if one := s.config.FilterSubject; one != "" {
		filters = append(filters, one)
	}
	slices.Sort(filters)
	filters = slices.Compact(filters)
	if slices.Equal(filters, []string{">"}) {
		return nil
	}
	return filters
}

// Domain returns the JetStream domain of the stream, "" if there is none.
func (s *Source) Domain() string { return s.domain }
