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
	speed recent
	shown State
}

func (l *lines) showState(s State) {
	l.speed.addSample(time.Now(), s.Done)
	if s.Done != l.shown.Done || s.Keys != l.shown.Keys || s.Parked != l.shown.Parked || s.Refused != l.shown.Refused {
		l.log.LogAttrs(context.Background(), slog.LevelInfo, "progress", l.describeState(s)...)
	}
	l.shown = s
}

func (l *lines) describeState(s State) []slog.Attr {
	attrs := []slog.Attr{slog.Int64(s.unit(), s.Done)}
	if s.Total > 0 {
		attrs = append(attrs, slog.Int64("of", s.Total))
	}
	if s.Lag != nil {
		attrs = append(attrs, slog.Int64("lag", *s.Lag))
	}
	attrs = append(attrs, slog.Int64("per_second", int64(l.speed.perSecond())))
	if left := l.speed.left(&s); left > 0 {
		attrs = append(attrs, slog.String("left", left.Round(time.Second).String()))
	}
	if s.Refused > 0 {
		attrs = append(attrs, slog.Int64("set_aside", s.Refused))
	}
	if s.Parked > 0 {
		attrs = append(attrs, slog.Int64("parked", s.Parked))
	}
	if s.Keys != "" {
		attrs = append(attrs, slog.String("keys", s.Keys))
	}
	return attrs
}
