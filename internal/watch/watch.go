// Package watch holds the figures of a route: counts, and the state of each of
// its places. A Route is handed down to the packages that have something to
// tell, implements the observers that they declare, and is read by progress,
// the last line, metrics and alarms.
//
//	watch.go   counts of messages, and how each place stands: pipeline.Observer
//	lanes.go   lag, and the work of connectors: their observers
//	keys.go    data keys, calls and breakers: those of kekcache and keys/guard
//	work.go    how workers carry batches: pipeline.WorkObserver
//
// Its memory is bounded: MaxPlaces places have figures of their own, and those
// of all others are summed. The names of all parked places are kept; there are
// no more of them than places that this run holds. The package decides nothing,
// logs nothing and knows no endpoint.
package watch

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// MaxPlaces is how many places of a route have figures of their own.
const MaxPlaces = 1000

// Unknown is a lag or an offset that nobody has told.
const Unknown int64 = -1

// Figures count the messages of a place or of a route.
type Figures struct {
	// Read counts settled messages: written, skipped or rejected.
	Read, Written, Skipped int64
	// BytesIn and BytesOut count the bytes of keys and values.
	BytesIn, BytesOut int64
	// Rejected counts the messages that went to the dead letters, by reason;
	// nil if there was none.
	Rejected map[pipeline.Reason]int64
}

// RejectedTotal returns how many messages were rejected for any reason.
func (f *Figures) RejectedTotal() int64 {
	var total int64
	for _, n := range f.Rejected {
		total += n
	}
	return total
}

// add adds the counts of one batch.
func (f *Figures) add(c *pipeline.PlaceCounts) {
	f.Read += c.Read
	f.Written += c.Written
	f.Skipped += c.Skipped
	f.BytesIn += c.BytesIn
	f.BytesOut += c.BytesOut
	for reason, n := range c.Rejected {
		if f.Rejected == nil {
			f.Rejected = make(map[pipeline.Reason]int64)
		}
		f.Rejected[reason] += n
	}
}

// copy returns figures that share no memory with f.
func (f *Figures) copy() Figures {
	c := *f
	c.Rejected = maps.Clone(f.Rejected)
	return c
}

// Place is how one place stands.
type Place struct {
	Name string
	Figures
	// Next is the offset at which reading goes on.
	Next int64
	// Lag is how many messages wait in the place, or Unknown.
	Lag int64
	// Parked is why the place stands still, nil if it does not; ParkedAt is the
	// offset at which it does, or Unknown if the cause is not about a message.
	Parked   error
	ParkedAt int64
	// Since is when the place was parked.
	Since time.Time
}

// Totals are the figures of a whole route.
type Totals struct {
	Figures
	Batches int64
	// Lanes is how many lanes are served now, LostLanes how many lanes began
	// again or went to another owner.
	Lanes, LostLanes int64
	// Parked is how many places stand still now.
	Parked int64
}

// Route holds the figures of one route. The zero Route is ready. It is safe for
// concurrent use and must not be copied.
type Route struct {
	// Gates are what the gates of the route have seen.
	Gates transform.GateStats

	mu      sync.Mutex
	totals  Totals
	places  map[string]*Place
	others  Place           // the sum of the places without figures of their own
	parked  map[string]bool // the names of all that stand still
	lanes   []*PlacesFunc   // that are served now
	traffic Traffic
	failing failing
	stuck   map[string]*Stuck
	keys    keyFigures // has a lock of its own

	workMu sync.Mutex
	work   Workload
}

// Stuck is a place, or a request of a connector, that waits for something which
// may never come. It is not parked: it goes on by itself when that comes.
type Stuck struct {
	Name     string
	WaitsFor error
	Since    time.Time
}

// ObserveStuck notes that a place or a request is stuck, or with a nil error
// that it goes on. At most MaxPlaces are kept.
func (r *Route) ObserveStuck(name string, waitsFor error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.stuck[name]
	switch {
	case waitsFor == nil:
		delete(r.stuck, name)
	case known != nil:
		known.WaitsFor = waitsFor
	case len(r.stuck) < MaxPlaces:
		if r.stuck == nil {
			r.stuck = make(map[string]*Stuck)
		}
		r.stuck[name] = &Stuck{Name: name, WaitsFor: waitsFor, Since: time.Now()}
	}
}

// StuckPlaces returns what is stuck now, by name.
func (r *Route) StuckPlaces() []Stuck {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Stuck, 0, len(r.stuck))
	for _, s := range r.stuck {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Stuck) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

var _ pipeline.Observer = (*Route)(nil)

// ObserveBatch implements pipeline.Observer.
func (r *Route) ObserveBatch(counts []pipeline.PlaceCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.Batches++
	for i := range counts {
		r.totals.add(&counts[i])
		p := r.placeNamed(counts[i].Place)
		p.add(&counts[i])
		p.Next = counts[i].Next
	}
}

// ObserveLane implements pipeline.Observer.
func (r *Route) ObserveLane(change pipeline.LaneChange, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if change == pipeline.LaneServed {
		r.totals.Lanes++
		return
	}
	r.totals.Lanes--
	if change == pipeline.LaneLost {
		r.totals.LostLanes++
	}
}

// ObservePlace implements pipeline.Observer.
func (r *Route) ObservePlace(place string, offset int64, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.parked == nil {
		r.parked = make(map[string]bool)
	}
	if cause != nil {
		r.parked[place] = true
	} else {
		delete(r.parked, place)
		offset = Unknown
	}
	r.totals.Parked = int64(len(r.parked))
	p := r.placeNamed(place)
	if p == &r.others {
		return
	}
	if p.Parked == nil {
		p.Since = time.Now()
	}
	p.Parked, p.ParkedAt = cause, offset
}

// SetLag notes how many messages wait in a place.
func (r *Route) SetLag(place string, lag int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.placeNamed(place).Lag = lag
}

// placeNamed returns the figures of a place, or those of the others. r.mu is
// held.
func (r *Route) placeNamed(name string) *Place {
	p := r.places[name]
	if p == nil {
		if len(r.places) >= MaxPlaces {
			return &r.others
		}
		if r.places == nil {
			r.places = make(map[string]*Place)
		}
		p = &Place{Name: name, Lag: Unknown, ParkedAt: Unknown}
		r.places[name] = p
	}
	return p
}

// Totals returns the figures of the whole route.
func (r *Route) Totals() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.totals
	t.Figures = r.totals.copy()
	return t
}

// ParkedPlaces returns the names of places that stand still: the first ones in
// alphabetical order, at most limit.
func (r *Route) ParkedPlaces(limit int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.Sorted(maps.Keys(r.parked))
	return names[:min(limit, len(names))]
}

// Standing returns the places that stand still: the first ones in alphabetical
// order, at most limit. Of places without figures of their own only the name is
// known.
func (r *Route) Standing(limit int) []Place {
	names := r.ParkedPlaces(limit)
	r.mu.Lock()
	defer r.mu.Unlock()
	places := make([]Place, 0, len(names))
	for _, name := range names {
		if p := r.places[name]; p != nil {
			c := *p
			c.Figures = p.copy()
			places = append(places, c)
		} else {
			places = append(places, Place{Name: name, ParkedAt: Unknown, Lag: Unknown})
		}
	}
	return places
}

// Places returns how each place stands, by name, and the sum of those that have
// no figures of their own.
func (r *Route) Places() (own []Place, others Figures) {
	r.refreshLags()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.places {
		c := *p
		c.Figures = p.copy()
		own = append(own, c)
	}
	slices.SortFunc(own, func(a, b Place) int { return cmp.Compare(a.Name, b.Name) })
	return own, r.others.copy()
}
