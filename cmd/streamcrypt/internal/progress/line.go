package progress

import (
	"io"
	"strings"

	"github.com/schollz/progressbar/v3"
)

// line is the progress line on a terminal: how far, how fast, and how long
// still. The library only paints it; it is handed no terminal, since the screen
// is shared with the log.
type line struct {
	screen *Screen
	bar    *progressbar.ProgressBar
	total  int64
}

// newLine returns a line for work that begins now, at s.
func newLine(screen *Screen, s State) *line {
	l := &line{screen: screen}
	l.startBar(s)
	return l
}

// startBar makes a new bar with a clock that runs from now.
func (l *line) startBar(s State) {
	l.bar, l.total = newBar(s, l.screen.readWidth()), s.Total
	_ = l.bar.Set64(0)
}

func (l *line) showState(s State) {
	if s.Total > 0 && s.Done > s.Total {
		s.Total = s.Done // the input grew
	}
	switch {
	case (l.total > 0) != (s.Total > 0):
		l.startBar(s)
	case s.Total != l.total:
		l.bar.ChangeMax64(s.Total)
		l.total = s.Total
	}
	if s.Total > 0 && s.Done == s.Total {
		return // the library ends its line here; the work is not done before it says so
	}
	if l.bar.Set64(s.Done) == nil {
		l.screen.drawLine(strings.Trim(l.bar.String(), "\r "))
	}
}

func (l *line) removeLine() { l.screen.drawLine("") }

// newBar returns a bar for lines of so many columns, a spinner where the total
// is not known.
func newBar(s State, columns int) *progressbar.ProgressBar {
	const (
		statistics = 62 // columns beside the bar
		shortest   = 8
	)
	o := []progressbar.Option{
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetWidth(max(columns-statistics, shortest)),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetSpinnerChangeInterval(0), // with an interval it starts a goroutine
	}
	if s.Bytes {
		o = append(o, progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true))
	} else {
		o = append(o, progressbar.OptionShowIts(), progressbar.OptionSetItsString("messages"))
	}
	if s.Total == 0 {
		return progressbar.NewOptions64(-1, o...)
	}
	return progressbar.NewOptions64(s.Total, o...)
}
