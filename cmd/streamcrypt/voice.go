package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/outcome"
	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
)

// voice is how the program speaks on standard error: with text for people on a
// terminal, and with lines of JSON for programs anywhere else. No line of
// another form goes there, neither the last one nor an error of the command
// line.
type voice struct {
	screen *progress.Screen
	level  slog.LevelVar
	log    atomic.Pointer[slog.Logger]
	names  atomic.Pointer[routeNames]
}

// routeNames are the names that every line has, once they are known.
type routeNames struct{ route, instance string }

func newVoice(w io.Writer) *voice {
	v := &voice{screen: progress.NewScreen(w)}
	v.log.Store(slog.New(v.newHandler(&v.level)))
	v.names.Store(&routeNames{})
	return v
}

func (v *voice) newHandler(level slog.Leveler) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if !v.screen.Terminal() {
		return slog.NewJSONHandler(v.screen, o)
	}
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.StringValue(a.Value.Time().Format(time.TimeOnly))
		}
		return a
	}
	return slog.NewTextHandler(v.screen, o)
}

// setLevel sets the least severe level, by one of the words of --log-level.
func (v *voice) setLevel(word string) {
	var level slog.Level
	_ = level.UnmarshalText([]byte(word)) // one of the flag's enum, all of which are levels
	v.level.Set(level)
}

// nameRoute gives all further lines of JSON the names of the route and of this
// process. On a terminal everybody knows them.
func (v *voice) nameRoute(route, instance string) {
	v.names.Store(&routeNames{route, instance})
	if !v.screen.Terminal() {
		v.log.Store(v.log.Load().With("route", route, "instance", instance))
	}
}

// nameInstance gives all further lines of JSON the name of this process.
func (v *voice) nameInstance(instance string) {
	v.names.Store(&routeNames{"", instance})
	if !v.screen.Terminal() {
		v.log.Store(v.log.Load().With("instance", instance))
	}
}

// sayEnding says that a signal came.
func (v *voice) sayEnding(cause string) {
	if v.screen.Terminal() {
		fmt.Fprintf(v.screen, "streamcrypt: %s: ending; another one after a second ends at once\n", cause)
		return
	}
	v.log.Load().Info("ending; another signal after a second ends at once", "signal", cause)
}

// sayLast says how the command ended.
func (v *voice) sayLast(o *outcome.Outcome) {
	if !v.screen.Terminal() {
		_ = o.LogTo(v.log.Load().Handler()) // there is no other place for it
		return
	}
	var text strings.Builder
	if o.Err != nil {
		writeError(&text, o.Err, o.Hint)
	}
	if sentence := o.Sentence(); sentence != "" {
		text.WriteString("streamcrypt: " + sentence + "\n")
	}
	_, _ = io.WriteString(v.screen, text.String())
}

// writeError writes an error as people read it, and the advice about it.
func writeError(w io.Writer, err error, hint string) {
	var text strings.Builder
	for line := range strings.Lines(err.Error()) {
		text.WriteString("streamcrypt: " + strings.TrimRight(line, "\n") + "\n")
	}
	if hint != "" {
		text.WriteString("hint: " + hint + "\n")
	}
	_, _ = io.WriteString(w, text.String())
}
