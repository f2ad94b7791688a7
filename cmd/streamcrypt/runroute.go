package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// opener is one of route.Encrypt, Decrypt, Verify and Rewrap.
type opener func(context.Context, route.Config, route.Env) (*route.Route, error)

// runRoute opens a route, runs it to its end and logs the result.
func (p *program) runRoute(open opener, c route.Config) (err error) {
	release := p.holdHangups()
	r, err := open(p.ctx, c, p.newEnv())
	came := release()
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.Join(route.ErrInterrupted, err)
		}
		return &startError{err}
	}
	defer func() { err = errors.Join(err, r.Close()) }()

	defer p.reloadKeys(r, came)()
	reporter := p.watchRoute(r, p.mode)
	started := time.Now()
	err = r.Run(p.ctx)
	reporter.Stop()
	p.logResult(r.Snapshot(), time.Since(started), err == nil)
	if name, needed := r.ReadersContext(); needed {
		p.log.Warn("readers must use --context "+quoteWord(name), "context", name)
	}
	return err
}

// newEnv returns the surroundings of a route.
func (p *program) newEnv() route.Env {
	return route.Env{Log: p.log, Stdin: p.in, Stdout: p.out, Endpoints: p.ends}
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
	return progress.Start(mode, p.screen, p.log, func() progress.State {
		s := r.Snapshot()
		return progress.State{Done: s.Done, Total: s.Total, Bytes: s.Unit == endpoint.Bytes}
	})
}

// logResult logs the counts of a route that has ended.
func (p *program) logResult(s route.Snapshot, took time.Duration, complete bool) {
	attrs := []slog.Attr{slog.Bool("complete", complete)}
	if s.Messages > 0 {
		attrs = append(attrs, slog.Int64("messages", s.Messages))
	}
	attrs = append(attrs, slog.Int64("bytes", s.Bytes), slog.Int64("bytes_out", s.BytesOut),
		slog.String("took", took.Round(time.Millisecond).String()))
	level := slog.LevelInfo
	for _, count := range []struct {
		name    string
		n       int64
		warning bool
	}{
		{"rewrapped", s.Rewrapped, false},
		{"already", s.Already, false},
		{"data_keys", s.DataKeys, false},
		{"duplicates", s.Skipped, false},
		{"rejected", s.Rejected, true},
		{"parked", s.Parked, true},
	} {
		if count.n > 0 {
			attrs = append(attrs, slog.Int64(count.name, count.n))
			if count.warning {
				level = slog.LevelWarn
			}
		}
	}
	if len(s.ParkedPlaces) > 0 {
		attrs = append(attrs, slog.Any("parked_places", s.ParkedPlaces))
	}
	p.log.LogAttrs(p.ctx, level, "done", attrs...)
}
