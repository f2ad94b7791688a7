package route

import (
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Tracer is told of each batch of a route, and of each call for its keys.
type Tracer interface {
	pipeline.StepObserver
	// KeyCall is told as kekcache.Observer says.
	KeyCall(kekcache.KeyCall)
}

// followRoute makes the Tracer of the route, if there is to be one.
func (p *plan) followRoute() {
	if p.env.Follow != nil {
		p.tracer = p.env.Follow(NameOf(p.workName(), p.Config, p.env), p.workName())
	}
}

// newKeyObserver returns an observer that counts calls for keys, and tells the
// Tracer of them.
func (p *plan) newKeyObserver() kekcache.Observer {
	if p.tracer == nil {
		return &p.watch
	}
	return &followedKeys{&p.watch, p.tracer}
}

// followedKeys tells a Tracer of calls besides.
type followedKeys struct {
	*watch.Route
	tracer Tracer
}

// KeyCall implements kekcache.Observer.
func (f *followedKeys) KeyCall(c kekcache.KeyCall) {
	f.Route.KeyCall(c)
	f.tracer.KeyCall(c)
}
