package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// The checks of this kind of end.
const (
	versionCheck  = "version"
	settingsCheck = "settings"
	windowCheck   = "duplicate-window"
)

// errNoTime says that the server is older than 2.10.
var errNoTime = errors.New("the server does not tell its time")

// AskTime implements doctor.EndClock.
func (n *stream) AskTime(ctx context.Context, s *endpoint.Session) (time.Time, time.Duration, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return time.Time{}, 0, err
	}
	found, err := connector.ReadSettings(ctx, conn, n.firstStream())
	switch {
	case err != nil:
		return time.Time{}, 0, err
	case found.Time.IsZero():
		return time.Time{}, 0, errNoTime
	}
	return found.Time, 0, nil
}

// firstStream returns the stream, or the first of several.
func (n *stream) firstStream() string {
	if len(n.streams) > 0 {
		return n.streams[0]
	}
	return n.stream
}

// Check implements doctor.Check.
func (n *stream) Check(ctx context.Context, s *endpoint.Session) []findings.Line {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil // the look has said so
	}
	lines := []findings.Line{n.judgeVersion(conn.ServerVersion(), conn.IsAtLeast(2, 11))}
	if n.template.IsMapped() {
		return lines
	}
	found, err := connector.ReadSettings(ctx, conn, n.firstStream())
	if err != nil {
		return lines // the look has said so, or a run makes the stream
	}
	lines = append(lines, n.describeSettings(found))
	if !n.as.Reads() {
		lines = append(lines, n.checkWindow(found))
	}
	return lines
}

func (n *stream) newLine(check string, level findings.Level, found, remedy string) findings.Line {
	return findings.Line{
		Check: check, Subject: n.as.String() + " " + n.Traits().Name, Level: level, Found: found, Remedy: remedy,
	}
}

// judgeVersion makes a line of the server's version. recent says that it is not
// below 2.11.
func (n *stream) judgeVersion(version string, recent bool) findings.Line {
	found := "NATS server " + version
	if !recent {
		return n.newLine(versionCheck, findings.Warn, found, "use NATS 2.11 or later: docs/nats.md")
	}
	return n.newLine(versionCheck, findings.OK, found, "")
}

func (n *stream) describeSettings(s *connector.StreamSettings) findings.Line {
	kept := "without an age limit"
	if s.MaxAge > 0 {
		kept = "for " + s.MaxAge.String()
	}
	found := fmt.Sprintf("%d replicas, kept %s, messages of up to %d bytes", s.Replicas, kept, s.MaxMessage)
	if s.InMemory {
		return n.newLine(settingsCheck, findings.Warn,
			found+"; it is kept in memory, and gone when its servers are", "make the stream with file storage")
	}
	return n.newLine(settingsCheck, findings.OK, found, "")
}

// checkWindow compares the window in which a message id is known with the time
// after which a message is written again.
func (n *stream) checkWindow(s *connector.StreamSettings) findings.Line {
	const need = 3 * connector.DefaultAckWait
	found := fmt.Sprintf("message ids are known for %v", s.Duplicates)
	if s.Duplicates < need {
		return n.newLine(windowCheck, findings.Warn,
			fmt.Sprintf("%s: a message that is written again later, after a fault, is stored twice", found),
			fmt.Sprintf("nats stream edit %s --dupe-window=%v", n.stream, max(need, 2*time.Minute)))
	}
	return n.newLine(windowCheck, findings.OK, found, "")
}
