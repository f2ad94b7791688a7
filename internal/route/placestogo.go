package route

import (
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// KeyTrouble says in which state the keys of the route are; "" if all of them
// can be had.
func (r *Route) KeyTrouble() string {
	watched, ok := r.job.(*records)
	if !ok {
		return ""
	}
	worst := kekcache.Normal
	for _, use := range watched.watch.Keys() {
		worst = max(worst, use.State)
	}
	if worst == kekcache.Normal {
		return ""
	}
	return worst.String()
}

// PlacesToGo returns how places stand that have not reached their end, as
// watch.Route does, at most limit.
func (r *Route) PlacesToGo(limit int) []watch.Place {
	watched, ok := r.job.(*records)
	if !ok {
		return nil
	}
	return watched.watch.PlacesToGo(limit)
}
