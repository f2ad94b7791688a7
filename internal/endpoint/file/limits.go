package file

import (
	"sync"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/bounds"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// limits are the parts of a file that are read, by its URL.
type limits struct {
	start connector.Limit
	until connector.Limit
	ends  bool // there is an until
}

// limits returns the bounds as the connector takes them.
func (q *params) limits() limits {
	l := limits{start: limitOf(q.start), until: limitOf(q.until)}
	l.ends = q.until.Form == bounds.Offset || q.until.Form == bounds.Time
	return l
}

func limitOf(b bounds.Bound) connector.Limit { return connector.Limit{Record: b.Offset, Time: b.Time} }

// checkBounds refuses times where records have none.
func (q *params) checkBounds() error {
	if q.format != format.Lines || q.start.Form != bounds.Time && q.until.Form != bounds.Time {
		return nil
	}
	return hint.New("start and until: lines have no times", "say how many records, such as start=1000")
}

// newReplacedNote returns a function that says once that bytes of a source may
// be lost.
func newReplacedNote(s *endpoint.Session, name string) func() {
	return sync.OnceFunc(func() {
		s.Log.Warn("a message holds U+FFFD: kcat writes all bytes as they are, but a program behind it may have "+
			"replaced some, and these are lost", "from", name)
	})
}

// apply sets the limits of a source, and tells of an end that is not checked.
func (l *limits) apply(o *connector.SourceOptions, s *endpoint.Session, name string) {
	o.Start = l.start
	o.NoteUntimed = func(place string, n int64) {
		s.Log.Warn("messages without a time in front of start= were passed over", "place", place, "messages", n)
	}
	if !l.ends {
		return
	}
	until := l.until
	o.Until = &until
	if o.Format == format.Seq {
		s.Log.Warn("an archive is read in part: its end is not checked", "from", name)
	}
}
