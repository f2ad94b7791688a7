//go:build !nodemo

package main

import (
	"errors"
	"io"
	"log/slog"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/demo"
	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

const demoMessages = 10_000

// Run implements the command.
func (c demoCmd) Run(p *program) error {
	mode := p.mode
	if mode == progress.Auto && !p.voice.screen.Terminal() {
		mode = progress.None // it is short, and tells a story already
	}
	run := demo.Run
	if c.Kafka {
		run = demo.RunKafka
	}
	err := run(p.ctx, demo.Options{
		Messages: demoMessages, Out: p.out, Log: slog.New(p.voice.newHandler(slog.LevelWarn)),
		Report: func(w io.Writer, err error) { writeError(w, err, findHint(err)) },
		Watch:  func(r *route.Route) func() { return p.watchRoute(r, mode).Stop },
	})
	if err != nil && p.ctx.Err() != nil {
		return errors.Join(route.ErrInterrupted, err)
	}
	return err
}
