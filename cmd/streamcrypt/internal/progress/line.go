package progress

import (
	"fmt"
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
		l.screen.drawLine(strings.Trim(l.bar.String(), "\r ") + l.describeState(&s))
	}
}

// shownPlaces is how many places have a line of their own.
const shownPlaces = 5

// describeState returns the lines below the bar: troubles, and the places with
// the most to go. A line never wraps.
func (l *line) describeState(s *State) string {
	var b strings.Builder
	width := l.screen.readWidth() - 1
	add := func(text string) {
		if letters := []rune(text); len(letters) > width {
			text = string(letters[:width])
		}
		b.WriteString("\n" + text)
	}
	var troubles []string
	if s.Keys != "" {
		troubles = append(troubles, "keys: "+s.Keys)
	}
	if s.Refused > 0 {
		troubles = append(troubles, fmt.Sprintf("%d set aside", s.Refused))
	}
	if s.Parked > 0 {
		troubles = append(troubles, fmt.Sprintf("%d places stand still", s.Parked))
	}
	if len(troubles) > 0 {
		add("  " + strings.Join(troubles, ", "))
	}
	if len(s.Places) < 2 {
		return b.String() // the bar says it all
	}
	for i, p := range s.Places[:min(len(s.Places), shownPlaces)] {
		text := fmt.Sprintf("  %s at %d", p.Name, p.Next)
		if p.Lag != nil {
			text += fmt.Sprintf(", %d to go", *p.Lag)
		}
		if p.Parked {
			text += ", stands still"
		}
		if more := len(s.Places) - shownPlaces; i == shownPlaces-1 && more > 0 {
			text += fmt.Sprintf(" (and %d more places)", more)
		}
		add(text)
	}
	return b.String()
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
