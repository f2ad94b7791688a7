package watch

import (
	"cmp"
	"slices"
)

// PlacesToGo returns how places stand that have messages left to read, or of
// which that is not known, or that stand still: those with the most to go
// first, at most limit. They have no figures.
func (r *Route) PlacesToGo(limit int) []Place {
	r.refreshLags()
	r.mu.Lock()
	defer r.mu.Unlock()
	var places []Place
	for _, p := range r.places {
		if p.Lag == 0 && p.Parked == nil {
			continue
		}
		places = append(places, Place{
			Name: p.Name, Next: p.Next, Lag: p.Lag, Parked: p.Parked, ParkedAt: p.ParkedAt, Since: p.Since,
		})
	}
	slices.SortFunc(places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(a.Name, b.Name))
	})
	return places[:min(limit, len(places))]
}
