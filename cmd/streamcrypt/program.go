package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/outcome"
	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/stopping"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// stdio is the standard files of a process. Tests run the program with
// buffers.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// program is everything that commands need of their surroundings.
type program struct {
	stdio                    // its out marks its errors
	rawOut   io.Writer       // standard output itself, for a route that writes to it
	ctx      context.Context //nolint:containedctx // one program is one call of startProgram
	voice    *voice
	mode     progress.Mode
	parser   *kong.Kong
	ends     endpoint.Table
	command  string // such as keys check
	settings string // path of the configuration file; may be empty
	args     []string
	hangups  *hangups
	owns     bool // the process, so that settings of all of it may be changed
	// allowsCore says that the user allows others to read the memory.
	allowsCore bool
	ending     ending
}

// log returns the log, which has the names of the route once they are known.
func (p *program) log() *slog.Logger { return p.voice.log.Load() }

// ending is everything that the end of a command has to know of it. It is read
// while the command may still run.
type ending struct {
	mu    sync.Mutex
	grace time.Duration // how long the command may go on after a signal
	json  io.Writer     // gets the outcome; nil: nobody
	run   *outcome.Run
}

func (e *ending) setFields(change func(*ending)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e)
}

// startProgram runs the program with these kinds of end until it ends, or a
// signal ends it, and returns the exit code. Without signals it leaves the
// settings of the process alone.
func startProgram(
	ctx context.Context, args []string, std stdio, ends endpoint.Table, signals chan os.Signal,
) int {
	ctx, end := context.WithCancel(ctx)
	defer end()
	p := &program{
		stdio: stdio{std.in, results{std.out}, std.err}, rawOut: std.out, ctx: ctx, voice: newVoice(std.err),
		ends: ends, args: args,
	}
	stopper := stopping.New(func(sig os.Signal) {
		p.voice.sayEnding(sig.String())
		p.tellParting()
		end()
	}, endProcess)
	if p.owns = signals != nil; p.owns {
		go stopper.HandleAll(signals) // until the process ends
	}
	p.hangups = watchHangups(stopper.HandleSignal)
	if !p.owns { // else until the process ends, which has an exit code
		defer p.hangups.endWatch()
		defer end() // a handler that is running gives up
	}
	err := p.runCommand()
	if errors.Is(err, errShown) || isReadEnough(err) {
		err = nil
	}
	return p.concludeRun(err)
}

// runCommand reads the command line and runs the command.
func (p *program) runCommand() error {
	var c cli
	var err error
	if p.parser, err = newParser(&c, p.stdio, p.ends); err != nil {
		return err
	}
	if len(p.args) == 0 {
		return showUsage(p.parser, p.stdio)
	}
	selected, err := p.parser.Parse(p.args)
	if errors.Is(err, errShown) {
		return err
	}
	if wrong := p.checkVariables(os.Environ()); wrong != nil && !isInformative(selected) {
		return wrong // it may be why the command line is not complete
	}
	if err != nil {
		return newUsageError(err)
	}
	if err := refuseRepeated(selected); err != nil {
		return err
	}
	p.voice.setLevel(c.LogLevel)
	p.mode, p.command, p.settings = c.Progress, selected.Selected().Path(), string(c.Config)
	p.protectMemory(c.AllowCore)
	return p.awaitCommand(func() error { return selected.Run(p) })
}

// concludeRun says how the command ended, and returns the exit code.
func (p *program) concludeRun(err error) int {
	p.ending.mu.Lock()
	defer p.ending.mu.Unlock()
	o := outcome.Conclude(outcome.Facts{Err: err, Hint: findHint(err), Reason: findReason(err), Run: p.ending.run})
	if p.ending.json != nil {
		names := p.voice.names.Load()
		if failed := o.WriteJSON(p.ending.json, names.route, names.instance); failed != nil {
			// The program that reads it must not take silence for success.
			o = outcome.Conclude(outcome.Facts{Err: errors.Join(err, failed), Run: p.ending.run})
		}
	}
	p.voice.sayLast(&o)
	return o.Word.Code()
}
