package service

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/ops"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// runner is one route of a Service, with the goroutine that runs it.
type runner struct {
	service *Service
	member  route.Member
	log     *slog.Logger
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	now     ops.Route
	open    *route.Route // nil unless it runs
	over    bool         // it will not go on by itself
	leaving bool         // it ends since it is not to run any more as it is
	failure error        // why, if it did not end well
}

// serve runs the route, again after a pause where a restart may mend its
// failure: not one that could not be opened, since the start waits for services
// that are away by itself.
func (r *runner) serve(ctx context.Context) {
	defer close(r.ended)
	defer r.cancel()
	pauses := r.service.options.Pause.Begin()
	for {
		started := time.Now()
		err, again := r.carryOnce(ctx)
		if err == nil || !again || r.service.options.ExitOnFailure || ctx.Err() != nil {
			r.conclude(ctx, err)
			return
		}
		if time.Since(started) > calmAfter {
			pauses.Reset()
		}
		r.enterPhase(ops.Waiting, err)
		r.log.Error("the route has failed, and is started again after a pause", "error", err)
		if pauses.Wait(ctx) != nil {
			r.conclude(ctx, err)
			return
		}
		r.enterPhase(ops.Opening, nil)
	}
}

// carryOnce opens the route and runs it to its end. again says that it may end
// otherwise when it is started again.
func (r *runner) carryOnce(ctx context.Context) (_ error, again bool) { //nolint:revive // again is about the error
	o := &r.service.options
	env := o.Env
	env.Log = r.log
	started := time.Now()
	opened, err := route.Open(ctx, r.member, env)
	if err != nil {
		if ctx.Err() != nil {
			r.log.Info("stopped before the route was open: nothing was read")
			return nil, false //nolint:nilerr // it was told to end
		}
		o.Ended(r.member, nil, started, &RouteError{Name: r.member.Name, Err: err, NeverOpen: true}, r.log)
		return &RouteError{Name: r.member.Name, Err: err, NeverOpen: true}, false
	}
	ended := func() {}
	if o.Opened != nil {
		ended = o.Opened(opened, r.log)
	}
	r.noteOpen(opened)
	err = opened.Run(ctx)
	r.noteOpen(nil)
	ended()
	err = errors.Join(err, opened.Close())
	o.Ended(r.member, opened, started, err, r.log)
	if err == nil {
		return nil, false
	}
	again = !opened.About().HasEnd && !errors.Is(err, route.ErrTakenOver) && !errors.Is(err, route.ErrBreakerOpen)
	return &RouteError{Name: r.member.Name, Err: err}, again
}

// noteOpen notes that the route runs, or with nil that it does not any more.
func (r *runner) noteOpen(open *route.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open, r.now.Resume = open, nil
	if open != nil {
		r.now.Phase, r.now.Since = ops.Running, time.Now()
		r.now.Memory, r.now.Watch = open.About().Memory, open.ReadFigures()
		if open.HasBreaker() {
			r.now.Resume = open.Resume
		}
	}
}

func (r *runner) enterPhase(phase ops.Phase, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Phase, r.now.Since, r.now.Failure = phase, time.Now(), failure
}

// conclude notes the end of the route. One that was told to end has not carried
// everything.
func (r *runner) conclude(ctx context.Context, err error) {
	phase := ops.Done
	switch {
	case err != nil:
		phase = ops.Failed
	case ctx.Err() != nil:
		phase = ops.Ended
	}
	r.enterPhase(phase, err)
	r.mu.Lock()
	r.over, r.failure = true, err
	if r.leaving {
		err = nil
	}
	r.mu.Unlock()
	r.service.noteEnd(err)
}

// leave ends the route, since it is not to run any more as it is. Its end is no
// reason for the service to end.
func (r *runner) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaving = true
	r.cancel()
}

func (r *runner) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over && !r.leaving
}

func (r *runner) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

func (r *runner) readState() ops.Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// reloadKeys loads the keys again, if the route is open and can.
func (r *runner) reloadKeys(ctx context.Context) {
	r.mu.Lock()
	open := r.open
	r.mu.Unlock()
	if open == nil || !open.Reloads() {
		return
	}
	if err := open.Reload(ctx, r.member.Config.Keys); err != nil {
		r.log.Error("keys not loaded anew; those in use stay", "error", err)
	}
}
