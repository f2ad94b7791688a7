package progress

import (
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Screen is the place where people read: standard error. Whole lines are
// written to it as to any Writer; a progress line, which has no end, is taken
// away before them and comes back with its next update. It may be used by
// several goroutines.
type Screen struct {
	mu    sync.Mutex
	w     io.Writer
	drawn int // how many lines of progress stand above the cursor, that of the cursor included
}

// NewScreen returns the Screen on w.
func NewScreen(w io.Writer) *Screen { return &Screen{w: w} }

// Terminal tells whether the screen is a terminal.
func (s *Screen) Terminal() bool {
	f, ok := s.w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readWidth is how many columns a line may have.
func (s *Screen) readWidth() int {
	const usual = 80
	if f, ok := s.w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return usual
}

const (
	clearLine  = "\r\x1b[K"
	clearAbove = "\x1b[1A\x1b[K" // goes up one line
)

// Write writes whole lines.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drawn > 0 {
		clear := s.clearDrawn()
		if _, err := io.WriteString(s.w, clear); err != nil {
			return 0, err
		}
	}
	return s.w.Write(p)
}

// drawLine replaces the progress, of one line or several; an empty one takes it
// away. It is not worth an error if a line cannot be shown.
func (s *Screen) drawLine(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == "" && s.drawn == 0 {
		return
	}
	clear := s.clearDrawn()
	if text != "" {
		s.drawn = strings.Count(text, "\n") + 1
	}
	_, _ = io.WriteString(s.w, clear+text)
}

// clearDrawn returns the text that takes the progress away. s.mu is held.
func (s *Screen) clearDrawn() string {
	clear := clearLine + strings.Repeat(clearAbove, max(0, s.drawn-1))
	s.drawn = 0
	return clear
}
