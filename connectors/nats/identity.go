package nats

import "slices"

// FilterSubjects returns the subjects that are read, sorted;
// none if all are.
func (s *Source) FilterSubjects() []string {
	return slices.Compact(sortFilters(s.Filters))
}

// Domain returns the JetStream domain of the stream, "" if there is none.
func (s *Source) Domain() string { return s.domain }
