// Package progress shows how far a long piece of work is: as a line on a
// terminal, or now and then in the log.
//
// It must not know the work; it asks a function. A Screen is shared with the
// log, so that a log line and the progress line do not write over each other.
//
//	progress.go  State, and the Reporter that shows it
//	line.go      on a terminal; screen.go shares that with the log
//	lines.go     in a log
//	events.go    as lines of JSON for another program
//	recent.go    how fast the work has been lately
package progress

import (
	"log/slog"
	"time"
)

// Mode says where progress is shown.
type Mode string

// The modes. Auto is Terminal on a terminal and Log elsewhere.
const (
	Auto     Mode = "auto"
	Terminal Mode = "terminal"
	Log      Mode = "log"
	None     Mode = "none"
)

// How often progress is shown.
const (
	redraw   = 100 * time.Millisecond
	logEvery = 5 * time.Second
)

// State is how far the work is. Its numbers only grow, but for Total.
type State struct {
	Done, Total int64 // Total is 0 while unknown
	Bytes       bool  // Done and Total count bytes, not messages
	// Lag is how many messages wait in the source, nil if that is not known.
	Lag *int64
	// Refused is how many messages were set aside, Parked how many places stand
	// still.
	Refused, Parked int64
	// Keys says in which state the keys are, "" if all is well with them.
	Keys string
	// Places are how the places of the source stand, those with the most to go
	// first.
	Places []Place
}

// Place is how one place of the source stands.
type Place struct {
	Name   string `json:"place"`
	Next   int64  `json:"next"`          // the offset at which reading goes on
	Lag    *int64 `json:"lag,omitempty"` // how many messages wait; nil if that is not known
	Parked bool   `json:"parked,omitempty"`
}

// Reporter shows progress until it is stopped.
type Reporter struct {
	stop, done chan struct{}
}

// Start begins to show the states that read returns, in a goroutine that Stop
// ends. read is not called by two goroutines at once.
func Start(mode Mode, screen *Screen, log *slog.Logger, read func() State) *Reporter {
	r := &Reporter{stop: make(chan struct{}), done: make(chan struct{})}
	if mode == Auto {
		mode = Log
		if screen.Terminal() {
			mode = Terminal
		}
	}
	switch mode {
	case Terminal:
		line := newLine(screen, read())
		go r.showEvery(redraw, func() { line.showState(read()) }, line.removeLine)
	case Log:
		lines := &lines{log: log, shown: read()}
		lines.speed.addSample(time.Now(), lines.shown.Done)
		go r.showEvery(logEvery, func() { lines.showState(read()) }, func() {})
	default:
		close(r.done)
	}
	return r
}

// Stop ends the display and returns when nothing more of it will be written.
func (r *Reporter) Stop() {
	close(r.stop)
	<-r.done
}

func (r *Reporter) showEvery(every time.Duration, show, finish func()) {
	defer close(r.done)
	defer finish()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
			show()
		}
	}
}
