package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/hardening"
	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/outcome"
	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/internal/alarm"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/ops"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/internal/service"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// runCmd runs the routes of a file in one process.
type runCmd struct {
	Instance  string        `placeholder:"NAME" group:"Run" help:"This process among the members of consumer groups, the same after a restart; a route's own instance wins."`
	Memory    size          `placeholder:"SIZE" group:"Resources" help:"Most memory that all routes may take together; default: as much as the cgroup has."`
	Workers   int           `placeholder:"N" group:"Resources" help:"Batches that one route has in flight at most: one for itself, the others shared with all routes; default: one per processor."`
	Budget    size          `placeholder:"SIZE" group:"Resources" help:"Memory of a batch in flight; default: ${budget}."`
	OnFailure string        `placeholder:"ACTION" default:"continue" enum:"continue,exit" group:"Run" help:"What the failure of a route is for the others: nothing (continue), or the end (exit)."`
	Reload    time.Duration `placeholder:"TIME" default:"10s" group:"Run" help:"How often the file is looked at for changes; 0s: only on SIGHUP."`
	Plan      bool          `group:"Run" help:"Look at ends and keys of all routes, and print what each run would read, make and write, and which rights it takes; change nothing."`
	JSON      bool          `group:"Run" help:"Print how each route ended to standard output, as a line of JSON."`
	opsFlags
}

// Help is shown by --help.
func (runCmd) Help() string {
	return "For example: streamcrypt run -c streamcrypt.yaml. streamcrypt config example shows a file."
}

// quiet is a log for checks that are made again, with their warnings.
var quiet = slog.New(slog.DiscardHandler)

// running is a run of several routes.
type running struct {
	*program
	settings *runCmd
	service  *service.Service
	pool     *pipeline.Pool
	shared   *memlimit.Claim // the memory of the pool

	stopTraces func() // sends the last ones

	firstOpen sync.Once
	reloads   sync.Mutex // held while the file is read again

	printing  sync.Mutex // held while an ending is printed
	unprinted error      // why one was not

	mu      sync.Mutex
	file    *runFile // in use
	loaded  time.Time
	refused error // why the file as it is now is not in use
	release func()
}

// Run implements the command.
func (c *runCmd) Run(p *program) error {
	if p.settings == "" {
		return &usageError{hint.New("no configuration", "streamcrypt run -c FILE"), "streamcrypt run"}
	}
	p.voice.nameInstance(nameInstance(c.Instance))
	content, err := service.ReadFile(p.settings)
	if err != nil {
		return &startError{err}
	}
	r := &running{program: p, settings: c}
	if c.Plan {
		return r.showPlans(content.Data)
	}
	if c.JSON {
		p.ending.setFields(func(e *ending) { e.json = p.out }) // unless a route says how it ended
	}
	if err := r.start(content.Data); err != nil {
		return err
	}
	defer r.stopTraces()
	server, err := r.startOps()
	if err != nil {
		return err
	}
	if server != nil {
		defer server.Close() //nolint:errcheck // the process ends
	}
	alarms, err := r.startAlarms()
	if err != nil {
		return err
	}
	if alarms != nil {
		defer alarms.Close()
	}
	p.tellSupervisor(stateOpening)
	defer memlimit.WatchCollector(p.log())()
	defer func() { r.release() }()
	defer r.watch(content)()
	err = r.service.Run(p.ctx, r.file.members)
	r.pool.Clear()
	return errors.Join(err, r.unprinted)
}

// start checks everything and makes the service, in which nothing runs yet.
func (r *running) start(data []byte) (err error) {
	limit := memlimit.ReadCgroup(os.DirFS("/"))
	if err = r.readFirst(data, limit); err != nil {
		return err
	}
	r.loaded = time.Now()
	if r.pool, err = pipeline.NewPool(r.settings.Workers, int(r.settings.Budget)); err != nil {
		return &startError{err}
	}
	bound, err := memlimit.NewBound(cmp.Or(int64(r.settings.Memory), limit))
	if err != nil {
		return &startError{err}
	}
	r.shared, r.release = bound.NewClaim(), func() {}
	if err := r.claimPool(len(r.file.members)); err != nil {
		return &startError{err}
	}
	r.lockAll(cmp.Or(int64(r.settings.Memory), r.pool.Memory(len(r.file.members))))
	follow, stop, err := r.startTraces(&r.settings.opsFlags, nameInstance(r.settings.Instance))
	if err != nil {
		return &mistakes{r.file.name, []problem{{r.file.findPrefix("otel"), "otel", err}}}
	}
	r.stopTraces = stop
	r.service = service.New(service.Options{
		Env:           route.Env{Log: r.log(), Endpoints: r.ends, Pool: r.pool, Memory: bound, Follow: follow},
		ExitOnFailure: r.settings.OnFailure == "exit", Opened: r.showRoute, Ended: r.tellEnd,
	})
	r.ending.setFields(func(e *ending) { e.grace = r.file.longestGrace() })
	return nil
}

// readFirst reads the file at the start, when the environment is looked at too.
func (r *running) readFirst(data []byte, limit int64) error {
	g, err := newGrammar(r.ends)
	if err != nil {
		return err
	}
	if err := checkRouteVariables(g); err != nil {
		return err
	}
	r.file, err = r.readFile(data, limit)
	return err
}

// readFile reads and checks the file with the settings of the process.
func (r *running) readFile(data []byte, limit int64) (*runFile, error) {
	file, err := readRunFile(r.program.settings, data, r.ends)
	if err != nil {
		return nil, err
	}
	return file, file.checkRoutes(r.settings, route.Env{Log: quiet, Endpoints: r.ends}, limit)
}

// claimPool counts the memory that this many routes share.
func (r *running) claimPool(routes int) error {
	need := r.pool.Memory(routes)
	if err := r.shared.RaiseTo(need); err != nil {
		return err
	}
	before := r.release
	r.release = memlimit.Reserve(need)
	before()
	return nil
}

// longestGrace returns how long the routes may take to end.
func (f *runFile) longestGrace() time.Duration {
	var longest time.Duration
	for i := range f.members {
		longest = max(longest, cmp.Or(f.members[i].Config.Grace, pipeline.DefaultGrace))
	}
	return longest
}

// lockAll keeps the memory of all routes from being swapped out.
func (r *running) lockAll(memory int64) {
	if !r.owns {
		return
	}
	if err := hardening.LockMemory(uint64(memory)); err != nil {
		r.log().Info("keys and plaintext may be swapped out", "error", err)
	}
}

// startOps starts the ops server, if there is to be one.
func (r *running) startOps() (*ops.Server, error) {
	o := r.settings.readOptions()
	if o.IsZero() {
		return nil, nil //nolint:nilnil // there is to be none
	}
	server, err := ops.Start(r.ctx, o, ops.Source{
		Version: readBuild().Version, Log: r.log(), Hint: findHint, Routes: r.service.Routes,
		Configuration: r.describeFile,
	})
	if err != nil {
		advised := &hint.Error{Err: err, Hint: "name another port, or end the process that has it"}
		return nil, &mistakes{r.file.name, []problem{{r.file.findOpsLine(), "ops", advised}}}
	}
	return server, nil
}

// startAlarms raises alarms about all routes, if anybody is to be told.
func (r *running) startAlarms() (*alarm.Watcher, error) {
	config := r.settings.readAlarms(nameInstance(r.settings.Instance))
	if config.IsZero() {
		return nil, nil //nolint:nilnil // nobody is
	}
	senders, err := config.OpenSenders(r.log())
	if err != nil {
		return nil, &mistakes{r.file.name, []problem{{r.file.findAlarmLine(), "", err}}}
	}
	return alarm.Start(alarm.Options{Routes: r.listWatched, Senders: senders, Log: r.log()}), nil
}

// listWatched returns all routes for alarms.
func (r *running) listWatched() []alarm.Route {
	routes := r.service.Routes()
	watched := make([]alarm.Route, 0, len(routes))
	for i := range routes {
		watched = append(watched, alarm.Route{Name: routes[i].Name, Watch: routes[i].Watch})
	}
	return watched
}

// showRoute shows how far a route is, in the log: there may be many.
func (r *running) showRoute(open *route.Route, log *slog.Logger) (ended func()) {
	r.firstOpen.Do(func() { r.tellSupervisor(stateReady) })
	mode := r.mode
	if mode == progress.Auto || mode == progress.Terminal {
		mode = progress.Log
	}
	return r.watchRouteIn(open, mode, log).Stop
}

// tellEnd says how a route ended, as its command would.
func (r *running) tellEnd(m route.Member, open *route.Route, started time.Time, err error, log *slog.Logger) {
	facts := outcome.Facts{Err: err, Hint: findHint(err), Reason: findReason(err)}
	if open != nil {
		facts.Run = describeRun(open, started, err == nil)
		facts.Run.Stopped = err == nil && !open.About().HasEnd
		if name, needed := open.ReadersContext(); needed {
			log.Warn(fmt.Sprintf("readers of route %s must use --context %s", m.Name, quoteWord(name)), "context", name)
		}
	}
	o := outcome.Conclude(facts)
	_ = o.LogTo(log.Handler()) // there is no other place for it
	if r.settings.JSON {
		r.printEnd(m.Name, &o)
	}
}

// watch has a change of the file, and a SIGHUP, change the routes, until stop
// is called.
func (r *running) watch(content *service.File) (stop func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	var watching sync.WaitGroup
	if every := r.settings.Reload; every > 0 {
		watching.Go(func() {
			content.Watch(ctx, r.program.settings, every, func(f *service.File) { r.reload(f.Data) })
		})
	}
	release := func() {}
	if !r.voice.screen.Terminal() {
		release = r.hangups.setHandler(func() { r.handleHangup(ctx) })
	}
	return func() {
		cancel()
		release()
		watching.Wait()
	}
}
