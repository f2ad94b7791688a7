package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// hangups passes SIGHUP to the current handler. Without one it ends the
// program, as the closing of its terminal is meant to.
type hangups struct {
	signals chan os.Signal
	end     func(os.Signal)
	ended   chan struct{} // closed when nothing waits for signals any more

	mu     sync.Mutex // held while handle runs
	handle func()     // nil: end
}

// watchHangups calls end at a SIGHUP, until endWatch. Under nohup, which means
// to outlive the terminal, there are none.
func watchHangups(end func(os.Signal)) *hangups {
	h := &hangups{signals: make(chan os.Signal, 1), end: end, ended: make(chan struct{})}
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(h.signals, syscall.SIGHUP)
	}
	go func() {
		defer close(h.ended)
		for range h.signals {
			h.handleSignal()
		}
	}()
	return h
}

// endWatch waits for the last handling of a signal. From then on a SIGHUP has
// the effect that it has by itself.
func (h *hangups) endWatch() {
	signal.Stop(h.signals)
	close(h.signals)
	<-h.ended
}

func (h *hangups) handleSignal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.handle == nil {
		h.end(syscall.SIGHUP)
		return
	}
	h.handle()
}

// setHandler has SIGHUP call a handler instead, until release is called, which
// waits for the last call.
func (h *hangups) setHandler(handle func()) (release func()) {
	set := func(handle func()) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.handle = handle
	}
	set(handle)
	return func() { set(nil) }
}

// holdHangups keeps a SIGHUP until there is a route that it can be for: opening
// a route may take as long as a key service is away. release tells whether one
// came.
func (p *program) holdHangups() (release func() (came bool)) {
	if p.voice.screen.Terminal() {
		return func() bool { return false }
	}
	came := false // release waits for the last call
	end := p.hangups.setHandler(func() {
		came = true
		p.log().Info("the keys are loaded anew when the route is open")
	})
	return func() bool {
		end()
		return came
	}
}

// reloadKeys has a SIGHUP load the keys of r again, until stop is called: by
// custom it tells a process to read its configuration again. On a terminal a
// hang-up means that the terminal is closed, and ends the run. came says that a
// SIGHUP came before r was open; it is handled now.
func (p *program) reloadKeys(r *route.Route, came bool) (stop func()) {
	if !r.Reloads() || p.voice.screen.Terminal() {
		if came {
			p.hangups.handleSignal()
		}
		return func() {}
	}
	ctx, cancel := context.WithCancel(p.ctx)
	reload := func() {
		urls, err := p.keyURLs()
		if err == nil {
			err = r.Reload(ctx, urls)
		}
		if err != nil {
			p.log().Error("keys not loaded anew; those in use stay", "error", err)
		}
	}
	if came {
		reload()
	}
	release := p.hangups.setHandler(reload)
	return func() {
		cancel()
		release()
	}
}

// keyURLs reads command line and configuration again, for the keys alone.
func (p *program) keyURLs() ([]string, error) {
	parser, err := newParser(&cli{}, stdio{out: io.Discard, err: io.Discard}, p.ends)
	if err != nil {
		return nil, err
	}
	selected, err := parser.Parse(p.args)
	if err != nil {
		return nil, err
	}
	command, ok := selected.Selected().Target.Addr().Interface().(interface{ keyURLs() []string })
	if !ok {
		return nil, fmt.Errorf("%s has no keys", selected.Command())
	}
	return command.keyURLs(), nil
}
