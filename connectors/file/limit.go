package file

import (
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
	l.begun = l.begun || l.source.opts.Start.isReachedBy(m)
	return !l.begun
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
