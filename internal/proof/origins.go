package proof

import "slices"

// maxOrigins is how many origins a report has of each finding in a place.
const maxOrigins = 5

// Origin is where a record that was found is stored.
type Origin struct {
	Place  string `json:"place"`
	Offset int64  `json:"offset"`
	// Reason is the word of docs/errors.md, of an envelope that did not open.
	Reason string `json:"reason,omitempty"`
}

// origins are the first few origins of a finding, by offset.
type origins []Origin

// add keeps an origin if it is one of the first.
func (o *origins) add(place string, offset int64, reason string) {
	if len(*o) == maxOrigins && offset >= (*o)[maxOrigins-1].Offset {
		return
	}
	at, _ := slices.BinarySearchFunc(*o, offset, func(a Origin, offset int64) int {
		if a.Offset <= offset {
			return -1
		}
		return 1
	})
	*o = slices.Insert(*o, at, Origin{place, offset, reason})
	if len(*o) > maxOrigins {
		*o = (*o)[:maxOrigins]
	}
}
