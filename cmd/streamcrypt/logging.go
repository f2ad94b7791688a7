package main

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/internal/address"
)

// newLogger logs text for people on a terminal and JSON for programs anywhere
// else.
func newLogger(screen *progress.Screen, level string) *slog.Logger {
	var least slog.Level
	_ = least.UnmarshalText([]byte(level)) // one of the flag's enum, all of which are levels
	o := &slog.HandlerOptions{Level: least}
	if !screen.Terminal() {
		return slog.New(slog.NewJSONHandler(screen, o))
	}
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.StringValue(a.Value.Time().Format(time.TimeOnly))
		}
		return a
	}
	return slog.New(slog.NewTextHandler(screen, o))
}

// warnOfVariables warns of environment variables that look like settings and
// are none. It is no error, since others name variables after this program too:
// Kubernetes does it for every Service called streamcrypt.
func (p *program) warnOfVariables(environ []string) {
	var known []string
	_ = kong.Visit(p.parser.Model.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			for _, name := range flag.Envs {
				known = append(known, strings.TrimPrefix(name, envPrefix+"_"))
			}
		}
		return next(nil)
	})
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		suffix, ours := strings.CutPrefix(name, envPrefix+"_")
		if !ours || slices.Contains(known, suffix) {
			continue
		}
		if near := address.FindNearest(suffix, known); near != "" {
			p.log.Warn("unknown environment variable is ignored", "name", name, "nearest", envPrefix+"_"+near)
		}
	}
}
