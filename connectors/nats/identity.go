package nats

import "slices"

// FilterSubjects returns the subjects that the consumer filters by, sorted;
// none if it takes all.
func (s *Source) FilterSubjects() []string {
	return slices.Compact(sortFilters(filtersOf(&s.config)))
}

// Domain returns the JetStream domain of the stream, "" if there is none.
func (s *Source) Domain() string { return s.domain }
