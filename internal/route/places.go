package route

import "github.com/streamcrypt/streamcrypt/internal/watch"

// Places returns how each place stands, by name, and the sum of those that have
// no figures of their own. A raw route has no places.
func (r *Route) Places() (own []watch.Place, others watch.Figures) {
	if watched, ok := r.job.(*records); ok {
		return watched.watch.Places()
	}
	return nil, watch.Figures{}
}

// ReadFigures returns the figures of the route, which grow while it runs; nil
// for a raw route, and one that only rewraps a key store. The caller only reads
// them.
func (r *Route) ReadFigures() *watch.Route {
	if watched, ok := r.job.(*records); ok {
		return &watched.watch
	}
	return nil
}
