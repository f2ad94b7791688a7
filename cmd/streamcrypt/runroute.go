package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/ops"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// opener is one of route.Encrypt, Decrypt, Verify, Rewrap and Convert.
type opener func(context.Context, route.Config, route.Env) (*route.Route, error)

// routeCommand is a command that runs a route.
type routeCommand interface{ newRoute() (route.Config, error) }

// runCommandRoute runs the route of a command.
func (p *program) runCommandRoute(open opener, command routeCommand, f *runFlags) error {
	config, err := command.newRoute()
	if err != nil {
		return err
	}
	return p.runRoute(open, config, f)
}

// runRoute opens a route, runs it to its end and notes how it ended.
func (p *program) runRoute(open opener, c route.Config, f *runFlags) (err error) {
	return p.runRouteBy(open, c, f, (*route.Route).Run)
}

// runRouteBy does the same, and has run run the open route.
func (p *program) runRouteBy(
	open opener, c route.Config, f *runFlags, run func(*route.Route, context.Context) error,
) (err error) {
	p.voice.nameRoute(route.NameOf(p.command, c, p.newEnv()), nameInstance(c.Instance))
	c.Settings = p.settings
	if f.Plan {
		return p.showPlan(c, f.JSON)
	}
	if err := p.beginRun(c, f); err != nil {
		return &startError{err}
	}
	told, err := p.startOps(&c, &f.opsFlags)
	if err != nil {
		return &startError{err}
	}
	defer told.stopServer()
	follow, stop, err := p.startTraces(&f.opsFlags, nameInstance(c.Instance))
	if err != nil {
		return &startError{err}
	}
	defer stop()
	p.tellSupervisor(stateOpening)
	release := p.holdHangups()
	env := p.newEnv()
	env.Follow = follow
	r, err := open(p.ctx, c, env)
	came := release()
	if err != nil {
		switch {
		case p.ctx.Err() == nil:
			return &startError{err}
		case p.isEndless(c.From):
			p.log().Info("stopped by a signal before the route was open: nothing was read")
			return nil
		}
		return errors.Join(route.ErrInterrupted, err)
	}
	told.enterPhase(ops.Running, r)
	p.tellSupervisor(stateReady)
	return p.carryRoute(r, came, run)
}

// isEndless tells whether a route from this URL has no end of its own, so that
// a signal is the usual way to end it.
func (p *program) isEndless(from string) bool {
	end, err := p.ends.Parse(from, endpoint.From)
	return err == nil && end.Traits().Endless
}

// beginRun notes everything that the end of a run has to know.
func (p *program) beginRun(c route.Config, f *runFlags) error {
	if err := p.checkOutput(c.To, f.JSON); err != nil {
		return err
	}
	p.ending.setFields(func(e *ending) {
		e.grace = cmp.Or(c.Grace, pipeline.DefaultGrace)
		if f.JSON {
			e.json = p.out
		}
	})
	return nil
}

// carryRoute has run run an open route, and closes it. came says that a SIGHUP
// came while it was being opened.
func (p *program) carryRoute(
	r *route.Route, came bool, run func(*route.Route, context.Context) error,
) (err error) {
	p.lockMemory(r)
	started := time.Now()
	stopEvents, waitEvents := p.startEvents(r)
	reporter := func() *progress.Reporter {
		defer p.reloadKeys(r, came)()
		reporter := p.watchRoute(r, p.mode)
		err = run(r, p.ctx)
		stopEvents()
		return reporter
	}()
	reporter.Stop()
	stopped := err == nil && p.ctx.Err() != nil && !r.About().HasEnd
	err = errors.Join(err, r.Close()) // an output that is not complete is removed before anything is said
	waitEvents()                      // nobody may be reading them, and the route is closed in any case
	ended := describeRun(r, started, err == nil)
	ended.Stopped = stopped
	p.ending.setFields(func(e *ending) { e.run = ended })
	if name, needed := r.ReadersContext(); needed {
		p.log().Warn("readers must use --context "+quoteWord(name), "context", name)
	}
	return err
}

// newEnv returns the surroundings of a route.
func (p *program) newEnv() route.Env {
	return route.Env{Log: p.log(), Stdin: p.in, Stdout: p.rawOut, Endpoints: p.ends}
}

// nameInstance returns the name of this process: the configured one, or one
// that tells it from others in a log.
func nameInstance(configured string) string {
	if configured != "" {
		return configured
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// quoteWord returns a word as it can be typed.
func quoteWord(word string) string {
	if word == "" || strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-/:@", r)
	}) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// watchRoute shows how far a route is, until the Reporter is stopped.
func (p *program) watchRoute(r *route.Route, mode progress.Mode) *progress.Reporter {
	return p.watchRouteIn(r, mode, p.log())
}

// watchRouteIn does the same with a log of the route's own.
func (p *program) watchRouteIn(r *route.Route, mode progress.Mode, log *slog.Logger) *progress.Reporter {
	return progress.Start(mode, p.voice.screen, log, func() progress.State { return readProgress(r) })
}

// checkOutput refuses a standard output that cannot take the route's own
// output, and to print the outcome there as well.
func (p *program) checkOutput(to string, printOutcome bool) error {
	end, _ := p.ends.Parse(to, endpoint.To) // the route refuses a URL that is wrong
	if end == nil || !end.Traits().Pipe {
		return nil
	}
	if printOutcome {
		return hint.New("--json: standard output is that of the route",
			"write to a file, or leave out --json and read the last line of standard error")
	}
	if err := checkOpen(p.rawOut); err != nil {
		err = fmt.Errorf("%s: %w", endpoint.To, err)
		return &hint.Error{Err: err, Hint: "to drop the output, write to " + os.DevNull}
	}
	return nil
}
