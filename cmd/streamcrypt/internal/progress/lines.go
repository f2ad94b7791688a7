package progress

import (
	"context"
	"log/slog"
	"time"
)

// lines are the progress in a log.
type lines struct {
	log   *slog.Logger
	began time.Time
	last  time.Time
	done  int64 // at last
}

func (l *lines) showState(s State) {
	now := time.Now()
	attrs := l.describeState(s, now)
	l.last, l.done = now, s.Done
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "progress", attrs...)
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
	rate := float64(s.Done-l.done) / now.Sub(l.last).Seconds()
	attrs = append(attrs, slog.Int64("per_second", int64(rate)))
	if s.Total > s.Done && s.Done > 0 {
		// The whole run says more about the time left than its last seconds.
		left := float64(now.Sub(l.began)) * float64(s.Total-s.Done) / float64(s.Done)
		attrs = append(attrs, slog.String("left", time.Duration(left).Round(time.Second).String()))
	}
	return attrs
}
