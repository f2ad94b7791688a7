package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/outcome"
)

// The exit codes, as tests name them.
var (
	exitOK          = outcome.Complete.Code()
	exitBreaker     = outcome.BreakerOpen.Code()
	exitFailed      = outcome.Incomplete.Code()
	exitNotStarted  = outcome.NotStarted.Code()
	exitInterrupted = outcome.Interrupted.Code()
)

// logLine is the part of a line of JSON that tests look at.
type logLine struct {
	Level, Msg, Error, Hint string
	Route, Instance         string
	Outcome                 outcome.Word
	ExitCode                int `json:"exit_code"`
	Complete                *bool
}

// readLog reads standard error of a program whose standard error is no
// terminal: every line of it is JSON.
func readLog(t *testing.T, stderr string) (lines []logLine) {
	t.Helper()
	for line := range strings.Lines(stderr) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Level == "" || l.Msg == "" {
			t.Errorf("not a line of the log: %q: %v", line, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// spoken returns the error and the hint of the last line as people read them on
// a terminal.
func spoken(t *testing.T, stderr string) string {
	t.Helper()
	lines := readLog(t, stderr)
	if len(lines) == 0 || lines[len(lines)-1].Error == "" {
		return ""
	}
	last := lines[len(lines)-1]
	var text strings.Builder
	for line := range strings.SplitSeq(last.Error, "\n") {
		text.WriteString("streamcrypt: " + line + "\n")
	}
	if last.Hint != "" {
		text.WriteString("hint: " + last.Hint + "\n")
	}
	return text.String()
}
