package watch

import (
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestPlacesToGo: those with the most to go come first; those at their end are
// left out, unless they stand still.
func TestPlacesToGo(t *testing.T) {
	var r Route
	for place, lag := range map[string]int64{"a": 5, "b": 0, "c": 70, "d": Unknown, "e": 0} {
		r.ObserveBatch([]pipeline.PlaceCounts{{Place: place, Read: 1, Next: 9}})
		r.SetLag(place, lag)
	}
	r.ObservePlace("e", 9, errors.New("stuck"))
	names := func(limit int) (all string) {
		for _, p := range r.PlacesToGo(limit) {
			all += p.Name
			if p.Next != 9 {
				t.Errorf("%s is at %d", p.Name, p.Next)
			}
		}
		return all
	}
	if got := names(10); got != "caed" {
		t.Errorf("got %s", got)
	}
	if got := names(2); got != "ca" {
		t.Errorf("got %s", got)
	}
}
