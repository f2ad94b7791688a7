// Package service runs several routes in one process: it starts them, starts
// failed ones again, and takes routes in and out while the others run.
//
//	service.go   Service: the set of routes, and how the process ends
//	runner.go    one route from its opening to its end, again and again
//	replace.go   another set of routes in the place of this one
//	file.go      a file that is read again when its content changes
//
// One route's end leaves the others alone. The package must not know flags,
// files of configuration or exit codes; its caller does.
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/ops"
	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// Options are the surroundings of a Service. Env and Ended are required.
type Options struct {
	// Env is that of all routes; its Log gets the name of each route.
	Env route.Env
	// ExitOnFailure ends the service when the first route fails.
	ExitOnFailure bool
	// Opened is told that a route is open, and returns a function that is
	// called when it does not run any more; nil: nobody is told.
	Opened func(r *route.Route, log *slog.Logger) (ended func())
	// Ended is told how a route ended: r is nil if it could not be opened.
	Ended func(member route.Member, r *route.Route, started time.Time, err error, log *slog.Logger)
	// Pause is how long a route that ended with an error waits before it is
	// started again; the zero value is 5 seconds, doubled up to 5 minutes.
	Pause retry.Policy
}

// A route that has run for calmAfter waits for the shortest pause again.
const calmAfter = 10 * time.Minute

var defaultPause = retry.Policy{First: 5 * time.Second, Longest: 5 * time.Minute}

// RouteError says which route failed.
type RouteError struct {
	Name string
	Err  error
	// NeverOpen says that the route could not be opened.
	NeverOpen bool
}

func (e *RouteError) Error() string { return fmt.Sprintf("route %s: %v", e.Name, e.Err) }

func (e *RouteError) Unwrap() error { return e.Err }

// NotStarted tells package outcome that nothing was done.
func (e *RouteError) NotStarted() bool { return e.NeverOpen }

// Service runs routes. Run is called once; the other methods at any time and
// from any goroutine.
type Service struct {
	options Options
	changes sync.Mutex // held while the set of routes changes

	mu      sync.Mutex
	ctx     context.Context    //nolint:containedctx // of Run, for routes that come later
	end     context.CancelFunc // ends all routes
	runners []*runner
	closed  bool // no route is started any more
	failure error
	idle    chan struct{} // closed when no route can go on
	begun   chan struct{} // closed when Run has started all routes
}

// New returns a Service without routes.
func New(o Options) *Service {
	if o.Pause == (retry.Policy{}) {
		o.Pause = defaultPause
	}
	return &Service{options: o, idle: make(chan struct{}), begun: make(chan struct{})}
}

// Run runs the routes until ctx ends, no route can go on, or one has failed
// with Options.ExitOnFailure. It returns after every route has ended. The error
// is about each route that did not end well.
func (s *Service) Run(ctx context.Context, members []route.Member) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	s.mu.Lock()
	s.ctx, s.end = ctx, end
	for _, m := range members {
		s.addRunner(m)
	}
	s.mu.Unlock()
	close(s.begun)
	select {
	case <-ctx.Done():
	case <-s.idle:
	}
	s.mu.Lock()
	s.closed = true
	runners := slices.Clone(s.runners)
	s.mu.Unlock()
	end()
	for _, r := range runners {
		<-r.ended
	}
	failures := []error{s.failure}
	for _, r := range runners {
		if err := r.failed(); err != nil && !errors.Is(s.failure, err) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// addRunner starts a route. s.mu is held.
func (s *Service) addRunner(m route.Member) {
	ctx, cancel := context.WithCancel(s.ctx)
	r := &runner{
		service: s, member: m, log: s.options.Env.Log.With("route", m.Name), cancel: cancel,
		ended: make(chan struct{}),
	}
	r.now = ops.Route{Name: m.Name, Direction: m.Direction, Phase: ops.Opening, Since: time.Now()}
	r.now.From, r.now.To = route.NamesOfEnds(m.Config, s.options.Env)
	s.runners = append(s.runners, r)
	go r.serve(ctx)
}

// noteEnd is told that a route will not go on by itself.
func (s *Service) noteEnd(failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if failure != nil && s.options.ExitOnFailure && s.failure == nil && s.ctx.Err() == nil {
		s.failure = failure
		s.end()
	}
	s.checkIdle()
}

// checkIdle ends the service if no route can go on. s.mu is held.
func (s *Service) checkIdle() {
	if s.closed || slices.ContainsFunc(s.runners, func(r *runner) bool { return !r.isOver() }) {
		return
	}
	s.closed = true
	close(s.idle)
}

// Routes returns how all routes stand, by name.
func (s *Service) Routes() []ops.Route {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]ops.Route, 0, len(s.runners))
	for _, r := range s.runners {
		all = append(all, r.readState())
	}
	slices.SortFunc(all, func(a, b ops.Route) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// ReloadKeys has every open route that can load its keys again. A route keeps
// the keys that it has if they cannot be loaded.
func (s *Service) ReloadKeys(ctx context.Context) {
	s.mu.Lock()
	runners := slices.Clone(s.runners)
	s.mu.Unlock()
	for _, r := range runners {
		r.reloadKeys(ctx)
	}
}
