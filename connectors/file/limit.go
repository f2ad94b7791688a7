package file

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Limit is a point in front of a message of a file: of the one with an index,
// or of the first one that has a time or a later one. The zero Limit is the
// beginning.
type Limit struct {
	Record int64
	Time   time.Time // instead of Record, unless it is zero
}

// isReachedBy tells whether a message is behind a limit that is a time. One
// without a time is not.
func (p *Limit) isReachedBy(m *pipeline.Message) bool {
	return !p.Time.IsZero() && !m.Time.IsZero() && !m.Time.Before(p.Time)
}

// isAtUntil tells whether the next record is behind the end that was asked for.
func (l *lane) isAtUntil() bool {
	until := l.source.opts.Until
	return until != nil && until.Time.IsZero() && l.index >= until.Record
}

// endsBefore tells whether a message is behind the end that was asked for. Then
// the lane ends before it.
func (l *lane) endsBefore(m *pipeline.Message) bool {
	until := l.source.opts.Until
	if until == nil || m.Fault != nil || !until.isReachedBy(m) {
		return false
	}
	l.err, l.within = io.EOF, true
	return true
}

// isEarly tells whether a message is before the time at which reading begins.
func (l *lane) isEarly(m *pipeline.Message) bool {
	switch {
	case l.begun:
	case l.source.opts.Start.isReachedBy(m):
		l.begun = true
		l.noteUntimed()
	case m.Time.IsZero():
		l.untimed++
	default:
		l.timed = true
	}
	return !l.begun
}

// endOfFile returns the error of a lane at the end of its file. Where no
// message has a time nobody knows which ones were asked for.
func (l *lane) endOfFile() error {
	switch {
	case l.begun:
	case l.untimed > 0 && !l.timed:
		return fmt.Errorf("%s: start=TIME: %w: %d were passed over", l.place, errUntimed, l.untimed)
	default:
		l.noteUntimed()
	}
	return io.EOF
}

var errUntimed = errors.New("no message has a time")

// noteUntimed tells of messages without a time in front of the start. It is
// called once.
func (l *lane) noteUntimed() {
	if note := l.source.opts.NoteUntimed; note != nil && l.untimed > 0 {
		note(l.place, l.untimed)
	}
}

// keepLast gives the last message of a batch its origin, or drops it if it is
// not wanted.
func (l *lane) keepLast(b *format.Batch) {
	m := b.Last()
	m.Origin = pipeline.Origin{Place: l.place, Offset: l.index, Previous: -1}
	l.index++
	if l.isEarly(m) || m.Origin.Offset < l.first.at.Next { // or committed before the restart
		b.DropLast()
	}
}
