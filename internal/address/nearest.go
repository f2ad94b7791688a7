package address

import (
	"fmt"
	"slices"
	"strings"
)

// UnknownError says that a name is not among those that are known.
type UnknownError struct {
	Kind    string   // "parameter"
	Name    string   // as given
	Nearest string   // the known name that was probably meant; "" if none is near
	Known   []string // all of them, sorted
}

// NewUnknownError returns an *UnknownError about name.
func NewUnknownError(kind, name string, known []string) error {
	return &UnknownError{Kind: kind, Name: name, Nearest: FindNearest(name, known),
		Known: slices.Sorted(slices.Values(known))}
}

func (e *UnknownError) Error() string {
	switch {
	case e.Nearest != "":
		return fmt.Sprintf("unknown %s %q, the nearest known one is %q", e.Kind, e.Name, e.Nearest)
	case len(e.Known) == 0:
		return fmt.Sprintf("unknown %s %q, there is none here", e.Kind, e.Name)
	}
	return fmt.Sprintf("unknown %s %q, known are %s", e.Kind, e.Name, strings.Join(e.Known, ", "))
}

// FindNearest returns the known name that was probably meant by name: name
// begins it, or is at most two typing mistakes away and shares more than it
// differs. It returns "" if there is none.
func FindNearest(name string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		d := countEdits(strings.ToLower(name), strings.ToLower(k))
		if strings.HasPrefix(k, name) && len(name) > 1 {
			d = min(d, 1)
		}
		if d < least && 2*d <= max(len(name), len(k)) {
			best, least = k, d
		}
	}
	return best
}

// countEdits counts the letters to insert, delete, replace or swap with their
// neighbour to make a of b (the optimal string alignment distance).
func countEdits(a, b string) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		now[0] = i + 1
		for j := range len(b) {
			differs := 1
			if a[i] == b[j] {
				differs = 0
			}
			now[j+1] = min(last[j+1]+1, now[j]+1, last[j]+differs)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
