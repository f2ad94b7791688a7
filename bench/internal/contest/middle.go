package contest

import "slices"

// Middle is a median, with the least and the most.
type Middle struct {
	Low    float64 `json:"low"`
	Median float64 `json:"median"`
	High   float64 `json:"high"`
}

// MiddleOf returns the middle of values, of which there is at least one.
func MiddleOf(values []float64) Middle {
	s := slices.Sorted(slices.Values(values))
	last := len(s) - 1
	return Middle{s[0], (s[last/2] + s[len(s)/2]) / 2, s[last]}
}

// TrimmedMiddle returns the middle of values without the n least and the n
// greatest.
func TrimmedMiddle(values []float64, n int) Middle {
	s := slices.Sorted(slices.Values(values))
	return MiddleOf(s[n : len(s)-n])
}

// MiddleOfTurns returns the middle of one measurement over the turns.
func MiddleOfTurns[T any](turns []T, of func(T) float64) Middle {
	values := make([]float64, len(turns))
	for i, t := range turns {
		values[i] = of(t)
	}
	return MiddleOf(values)
}

// CompareTurns returns the ratio of a to b, round by round.
func CompareTurns[T any](a, b []T, of func(T) float64) Middle {
	ratios := make([]float64, min(len(a), len(b)))
	for i := range ratios {
		ratios[i] = of(a[i]) / of(b[i])
	}
	return MiddleOf(ratios)
}
