package progress

import (
	"context"
	"log/slog"
	"time"
)

// lines are the progress in a log. There is a line only if something has
// changed since the last one.
type lines struct {
	log   *slog.Logger
	began time.Time
	last  time.Time // when shown was looked at
	shown State
}

func (l *lines) showState(s State) {
	now := time.Now()
	if s.Done != l.shown.Done {
		l.log.LogAttrs(context.Background(), slog.LevelInfo, "progress", l.describeState(s, now)...)
	}
	l.last, l.shown = now, s
}

func (l *lines) describeState(s State, now time.Time) []slog.Attr {
	unit := "messages"
	if s.Bytes {
		unit = "bytes"
	}
	attrs := []slog.Attr{slog.Int64(unit, s.Done)}
	if s.Total > 0 {
		attrs = append(attrs, slog.Int64("of", s.Total))
	}
	if s.Lag != nil {
		attrs = append(attrs, slog.Int64("lag", *s.Lag))
	}
	rate := float64(s.Done-l.shown.Done) / now.Sub(l.last).Seconds()
	attrs = append(attrs, slog.Int64("per_second", int64(rate)))
	if s.Total > s.Done && s.Done > 0 {
		// The whole run says more about the time left than its last seconds.
		left := float64(now.Sub(l.began)) * float64(s.Total-s.Done) / float64(s.Done)
		attrs = append(attrs, slog.String("left", time.Duration(left).Round(time.Second).String()))
	}
	return attrs
}
