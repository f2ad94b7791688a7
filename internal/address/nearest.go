package address

import (
	"fmt"
	"slices"
	"strings"
)

// UnknownError says that a name is none of those that are known.
type UnknownError struct {
	What    string   // "parameter"
	Name    string   // as given
	Nearest string   // the known one that was likely meant; "" if none is near
	Known   []string // all of them
}

// Unknown returns an *UnknownError about name.
func Unknown(what, name string, known []string) error {
	return &UnknownError{What: what, Name: name, Nearest: Nearest(name, known), Known: slices.Sorted(slices.Values(known))}
}

func (e *UnknownError) Error() string {
	switch {
	case e.Nearest != "":
		return fmt.Sprintf("unknown %s %q, the nearest known one is %q", e.What, e.Name, e.Nearest)
	case len(e.Known) == 0:
		return fmt.Sprintf("unknown %s %q, there is none here", e.What, e.Name)
	}
	return fmt.Sprintf("unknown %s %q, known are %s", e.What, e.Name, strings.Join(e.Known, ", "))
}

// Nearest returns which of the known names name was likely meant to be: one that it begins, or that is at most two slips
// away and shares more than it differs. It returns "" if there is none.
func Nearest(name string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if strings.HasPrefix(k, name) && len(name) > 1 {
			d = min(d, 1)
		}
		if d < least && 2*d <= max(len(name), len(k)) {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to put in, take out, replace or swap with the next to make a of b (the optimal string
// alignment distance).
func distance(a, b string) int {
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
