package main

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/settings"
)

// newLogger logs text for people on a terminal and JSON for programs anywhere else.
func newLogger(screen *progress.Screen, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if !screen.Terminal() {
		return slog.New(slog.NewJSONHandler(io.Writer(screen), o))
	}
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.StringValue(a.Value.Time().Format(time.TimeOnly))
		}
		return a
	}
	return slog.New(slog.NewTextHandler(screen, o))
}

// warnOfVariables warns of environment variables that look like settings and are none. It is no error, since others name
// variables after us too: Kubernetes does it for every Service called streamcrypt.
func (p *program) warnOfVariables(environ []string) {
	var known []string
	_ = kong.Visit(p.app.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known = append(known, flag.Envs...)
		}
		return next(nil)
	})
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix+"_") || slices.Contains(known, name) {
			continue
		}
		if near := settings.Nearest(name, known); near != "" {
			p.log.Warn("unknown environment variable is ignored", "name", name, "nearest", near)
		}
	}
}
