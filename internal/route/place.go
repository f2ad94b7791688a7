package route

import (
	"sync"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// newPlace returns how positions name the source with this identity.
func newPlace(id endpoint.Identity, ordered bool) transform.Place {
	return transform.Place{ID: id.Short(), Ordered: ordered}
}

// newPlaces returns a function that says how positions name a place of the
// pipeline. Workers share it.
func newPlaces(in *endpoint.Source) func(string) transform.Place {
	if in.IdentifyPlace == nil {
		whole := newPlace(in.Identity, in.Ordered)
		return func(string) transform.Place { return whole }
	}
	return (&placeNames{source: in, known: map[string]transform.Place{}}).find
}

// placeNames remembers how positions name places.
type placeNames struct {
	source *endpoint.Source
	mu     sync.RWMutex
	known  map[string]transform.Place
}

// find returns the zero Place for a name that is not a place of the source:
// then a position says nothing.
func (p *placeNames) find(name string) transform.Place {
	p.mu.RLock()
	at, ok := p.known[name]
	p.mu.RUnlock()
	if ok {
		return at
	}
	if id := p.source.IdentifyPlace(name); id != nil {
		at = newPlace(id, p.source.Ordered)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[name] = at
	return at
}

// newGates returns a function that makes the Gates of a route. ordered says
// that its source gives messages in the order of their offsets.
func newGates(ordered bool, stats *transform.GateStats) func(string, []byte) (pipeline.Gate, error) {
	return func(_ string, state []byte) (pipeline.Gate, error) { return transform.NewGate(state, ordered, stats) }
}
